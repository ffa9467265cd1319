// Files and directories made for the account PostgreSQL runs as. Owner and mode are set by a handle, which
// is of what was made here: by its name it could be a link that somebody has put in its place since, and
// root would give away, or open to all, what that leads to.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Account } from './account.ts';

export interface Ownership {
  mode: number;
  /** Left out, the owner stays. */
  ids?: Account['ids'];
}

/** Makes the file, on disk when this resolves. @throws EEXIST where there is something of that name */
export async function writeOwnedFile(path: string, text: string, owner: Ownership): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await setOwnership(handle, owner);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Also when the directory was there already, with whatever owner and mode. @throws where it is a link */
export async function ownDirectory(path: string, owner: Ownership): Promise<void> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await setOwnership(handle, owner);
  } finally {
    await handle.close();
  }
}

async function setOwnership(handle: FileHandle, { mode, ids }: Ownership): Promise<void> {
  if (ids !== undefined) await handle.chown(ids.uid, ids.gid);
  await handle.chmod(mode); // whatever the umask is
}
