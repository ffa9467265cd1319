/**
 * What the nodes of a run are started from: a copy of the sources, so that a run is of one state of
 * them, and so that a faulty variant can be made without a trace in the product.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NEEDED = ['src', 'sql', 'package.json'];

/** One text in one file that is replaced by another. */
export interface Patch {
  /** Below `src/`. */
  file: string;
  /** Must occur exactly once: a patch that no longer fits is an error, not a healthy build. */
  find: string;
  replace: string;
}

export interface Build {
  directory: string;
  /** Removes it. Safe to call again. */
  remove(): Promise<void>;
}

/**
 * Copies `from` (left out: this project) and applies the patches.
 *
 * @throws Error when a patch does not fit exactly once
 */
export async function makeBuild(patches: readonly Patch[] = [], from = ROOT): Promise<Build> {
  const directory = await mkdtemp(join(tmpdir(), 'messaging-history-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    for (const name of NEEDED) {
      await cp(join(from, name), join(directory, name), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'), 'dir');
    for (const { file, find, replace } of patches) {
      const path = join(directory, 'src', file);
      const parts = (await readFile(path, 'utf8')).split(find);
      if (parts.length !== 2) {
        throw new Error(`A patch of src/${file} fits ${parts.length - 1} times: ${find}`);
      }
      await writeFile(path, parts.join(replace));
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, remove };
}
