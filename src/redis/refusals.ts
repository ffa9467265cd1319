/** What Redis says when it is there and does not do what we need. */

/** The first word of an error reply: `READONLY`, `NOPERM`, `ERR` … Undefined: it is no reply. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  return /^[A-Z]+(?= |$)/.exec(error.message)?.[0] ?? 'ERR';
}

/** It is the wrong server for us, or we are the wrong client: nothing we do there counts. */
const WRONG_SERVER = new Map([
  ['READONLY', 'is a replica, which takes no writes'],
  ['MOVED', 'is a node of a cluster and does not hold all keys'],
  ['ASK', 'is a node of a cluster and does not hold all keys'],
  ['CLUSTERDOWN', 'is a node of a cluster that is down'],
  ['MASTERDOWN', 'is a replica that has lost its primary'],
  ['NOAUTH', 'wants a password'],
  ['WRONGPASS', 'does not take this user and password'],
  ['NOPERM', 'does not permit this user what we need'],
]);

/** Why the server behind this error is not the one we need; undefined: it may well be. */
export function wrongServer(error: unknown): string | undefined {
  const code = replyCode(error);
  const why = code === undefined ? undefined : WRONG_SERVER.get(code);
  return why === undefined ? undefined : `${why} (${text(error)})`;
}

/** An error reply about the state of the right server: out of memory, loading, a failing disk … */
export function isTrouble(error: unknown): boolean {
  return /^(?:OOM|MISCONF|LOADING|BUSY|NOREPLICAS|TRYAGAIN)$/.test(replyCode(error) ?? '');
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
