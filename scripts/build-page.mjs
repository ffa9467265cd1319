// Builds the chat page (web/ → dist/web/) unless it is there already. The finished build is moved
// into place at once: whoever serves or builds it at the same moment sees the old one or the new one.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'dist', 'web');
const stampName = '.built-from';

const wanted = fingerprint();
if (readStamp() !== wanted) {
  const fresh = join(root, 'dist', `.web-${process.pid}`);
  const old = `${fresh}-old`;
  try {
    await build({
      root: join(root, 'web'),
      configFile: join(root, 'web', 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: fresh, emptyOutDir: true },
    });
    writeFileSync(join(fresh, stampName), wanted);
    if (readStamp() !== wanted) {
      if (existsSync(target)) renameSync(target, old);
      renameSync(fresh, target);
    }
  } finally {
    for (const path of [fresh, old]) rmSync(path, { recursive: true, force: true });
  }
}

function readStamp() {
  const path = join(target, stampName);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

function fingerprint() {
  const hash = createHash('sha256');
  const files = readdirSync(join(root, 'web'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  for (const path of [...files.sort(), join(root, 'package-lock.json')]) {
    hash.update(`${relative(root, path)}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}
