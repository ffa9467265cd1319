// What can go wrong with the embedded PostgreSQL, each as one sentence an operator can act on.
// Imports nothing of src.

/** The embedded PostgreSQL cannot be used; the message is one clear sentence for the operator. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

/** Turns a failed file operation under `dataDir` into a sentence. */
export function explainFileError(dataDir: string, error: unknown): EmbeddedPostgresError {
  if (error instanceof EmbeddedPostgresError) return error;
  const options = { cause: error };
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new EmbeddedPostgresError(
        `DATA_DIR ${dataDir} cannot be written by this user: change its owner or name another directory.`,
        options,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new EmbeddedPostgresError(
        `DATA_DIR ${dataDir} is not a directory: name another one.`,
        options,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return noSpace(dataDir);
    default:
      return new EmbeddedPostgresError(
        `DATA_DIR ${dataDir} cannot be used: ${error instanceof Error ? error.message : String(error)}.`,
        options,
      );
  }
}

/** Turns what initdb or postgres wrote before it gave up into a sentence. */
export function explainOutput(
  dataDir: string,
  what: string,
  lines: readonly string[],
): EmbeddedPostgresError {
  const output = lines.join('\n');
  if (/No space left on device|Disk quota exceeded/.test(output)) return noSpace(dataDir);
  if (/lock file "postmaster\.pid" already exists/.test(output)) {
    return new EmbeddedPostgresError(
      `Another PostgreSQL is running on the files in ${dataDir}: stop it first.`,
    );
  }
  if (/pre-existing shared memory block/.test(output)) {
    return new EmbeddedPostgresError(
      `Processes of an earlier PostgreSQL still use the files in ${dataDir}: end them first.`,
    );
  }
  const reason = lastComplaint(lines);
  if (/Permission denied|Read-only file system/.test(output)) {
    return new EmbeddedPostgresError(
      `The database files in ${dataDir} cannot be read or written (${reason}): change their owner or name another DATA_DIR.`,
    );
  }
  if (/could not bind|could not create any (TCP|Unix)/.test(output)) {
    return new EmbeddedPostgresError(`The embedded PostgreSQL cannot listen: ${reason}.`);
  }
  return new EmbeddedPostgresError(
    `${what} failed (${reason}): if the files in ${dataDir} are damaged, restore a copy or move them away to begin with an empty database.`,
  );
}

/** The code of a Node system error, such as `EACCES`. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function noSpace(dataDir: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `There is no space left for the embedded PostgreSQL in ${dataDir}.`,
  );
}

/** The line that says most: the last one of a high severity, else the last line at all. */
function lastComplaint(lines: readonly string[]): string {
  const severe = lines.filter((line) => /(PANIC|FATAL|error): /i.test(line));
  const line = severe.at(-1) ?? lines.at(-1) ?? 'it said nothing';
  return line.trim().replace(/\s+/g, ' ').replace(/\.$/, '');
}
