/**
 * One connection to PostgreSQL, for life: a postgres.js instance with one socket. When the socket
 * is gone, or an answer does not come by its deadline, the whole instance is thrown away; nothing
 * is ever sent on a successor, so half a transaction cannot continue outside of it.
 *
 * That is why this is not a postgres.js pool: a pool moves queued statements of one transaction to
 * another connection after a loss, and a silent server (stopped, half-open TCP) never errors in it.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import postgres from 'postgres';
import { KEEP_ALIVE_S } from '../bounds/store.ts';
import { ChatError } from '../chat/errors.ts';
import { columnTypes } from './column-types.ts';
import { connectPostgres, currentHost, tryNextHost } from './connect.ts';
import { setSession } from './session.ts';

// Parameters are text, numbers, booleans, null and flat arrays of them: no custom wrappers.
export type Sql = postgres.Sql;

export interface LinkDeps {
  url: string;
  applicationName: string;
  connectTimeoutMs: number;
  statementTimeoutMs: number;
  idleInTransactionTimeoutMs: number;
  /** Longest wait for a lock; 0 leaves it to the statement timeout. */
  lockTimeoutMs: number;
  /** Further settings of the session, by name. */
  settings?: Record<string, string>;
  /** Called once when the connection is gone, for whatever reason. */
  onGone: () => void;
  /** Runs before the first work on the connection, in its time; left out: nothing does. */
  greet?: ((sql: Sql) => Promise<void>) | undefined;
}

/**
 * Why PostgreSQL did not answer. `refused`, `crowded`, `read_only`, `incomplete` (a dump is being
 * restored, or triggers are disabled) and `outdated` (what the session had prepared does not fit the
 * tables any more) prove that the statement was not executed.
 */
export type UnavailableReason =
  | 'refused'
  | 'crowded'
  | 'read_only'
  | 'incomplete'
  | 'outdated'
  | 'lost'
  | 'deadline'
  | 'overloaded';

/** PostgreSQL cannot be reached, or did not answer in time. */
export class DatabaseUnavailable extends ChatError {
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, cause?: unknown) {
    super('unavailable', 'The database does not answer at the moment. Try again shortly.');
    this.reason = reason;
    this.cause = cause;
  }
}

export interface Link {
  readonly sql: Sql;
  isGone(): boolean;
  /**
   * Runs `work` and settles with it. An answer that does not come within `deadlineMs`, or a lost
   * connection, retires the link and rejects with DatabaseUnavailable.
   */
  run<T>(work: (sql: Sql) => Promise<T>, deadlineMs: number): Promise<T>;
  /** Drops the connection now; whatever is in flight rejects. */
  retire(): void;
  /** Says goodbye to the server, waiting at most `timeoutMs`. */
  end(timeoutMs: number): Promise<void>;
}

// postgres.js stops pipelining when the socket asks for a pause: a batch must fit before it does.
// (@types/node does not name the stream options that net.Socket passes on.)
const PIPELINE_BUFFER: SocketConstructorOpts & { writableHighWaterMark: number } = {
  writableHighWaterMark: 16 * 1024 * 1024,
};
// postgres.js counts in seconds.
const MS_PER_S = 1000;

/** Opens one connection. Returns at once; what is asked meanwhile waits until it is there. */
export function openLink(deps: LinkDeps): Link {
  let socket: Socket | undefined;
  let gone = false;
  let greeted = false;

  const markGone = (): void => {
    if (gone) return;
    gone = true;
    deps.onGone();
  };

  /** The first call connects; every later one (postgres.js reconnecting) gets a socket that fails. */
  function openSocket(target: { host: string[]; port: number[]; path: string | false }): Socket {
    if (socket !== undefined || gone) {
      const refused = new Socket();
      setImmediate(() => refused.destroy(new Error('This connection has ended')));
      return refused;
    }
    const opened = new Socket(PIPELINE_BUFFER);
    socket = opened;
    // Stays for good: postgres.js listens later, and an error that nobody hears ends the process.
    opened.on('error', () => undefined);
    // Statements are pipelined as small writes: Nagle's algorithm would hold them back.
    opened.setNoDelay(true);
    const [host = 'localhost'] = target.host;
    const [port = 5432] = target.port;
    // postgres.js reads the name to verify from the socket when it speaks TLS.
    Object.assign(opened, { host });
    // When this turn is over: to be out of descriptors or routes is told at once, and postgres.js,
    // which listens then, would wait for a socket that is closed already.
    queueMicrotask(() => {
      if (gone) return;
      if (target.path) opened.connect(target.path);
      else opened.connect(port, host);
    });
    return opened;
  }

  const settings = {
    max: 1,
    prepare: true,
    fetch_types: false,
    connect_timeout: deps.connectTimeoutMs / MS_PER_S,
    // The life of the link is decided here, never by a timer of postgres.js amid a transaction.
    max_lifetime: null,
    keep_alive: KEEP_ALIVE_S,
    backoff: () => 0,
    types: columnTypes,
    socket: openSocket,
    onnotice: () => undefined,
    onparameter: () => {
      // The server speaks only after it let us in; before that no statement was sent.
      greeted = true;
    },
    onclose: markGone,
    connection: { application_name: deps.applicationName },
  };
  const host = currentHost(deps.url);
  const sql: Sql = connectPostgres(deps.url, settings);

  async function end(timeoutMs: number): Promise<void> {
    await sql.end({ timeout: timeoutMs / MS_PER_S });
    markGone();
    socket?.destroy();
  }

  function retire(): void {
    markGone();
    // At once, so that an answer that comes too late cannot carry the work on; and a silent server
    // would keep the socket open for ever. Then what is in flight rejects.
    socket?.destroy();
    void end(0);
  }

  function fail(error: unknown): unknown {
    if (error instanceof ChatError) return error;
    if (isServerError(error)) {
      const reason = sessionFault(error);
      if (reason === undefined) return error;
      retire();
      return new DatabaseUnavailable(reason, error);
    }
    // What fails before the greeting is the way there, in whatever words: a TLS handshake that breaks
    // off, or the several addresses of one name, say no system call.
    const onTheWay = !greeted && hasCode(error);
    if (!gone && !onTheWay && !isConnectionFailure(error)) return error;
    retire();
    return new DatabaseUnavailable(greeted ? 'lost' : refusal(error), error);
  }

  const begin = (): Promise<unknown> => {
    const session = setSession(sql, {
      statement_timeout: deps.statementTimeoutMs,
      idle_in_transaction_session_timeout: deps.idleInTransactionTimeoutMs,
      lock_timeout: deps.lockTimeoutMs,
      ...deps.settings,
    });
    return Promise.all([session, deps.greet?.(sql)]);
  };

  let begun = false;
  // An async function: what `work` throws at once rejects like the rest.
  const call = async <T>(work: (sql: Sql) => Promise<T>): Promise<T> => {
    if (!begun) {
      try {
        await begin();
      } catch (error) {
        retire();
        if (isUnfit(error)) tryNextHost(deps.url, host);
        throw error instanceof DatabaseUnavailable
          ? error
          : new DatabaseUnavailable(refusal(error), error);
      }
      begun = true;
    }
    return work(sql);
  };

  return {
    sql,
    isGone: () => gone,
    retire,
    end,
    run: (work, deadlineMs) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new DatabaseUnavailable(greeted ? 'deadline' : 'refused'));
          retire();
        }, deadlineMs);
        call(work).then(
          (value) => {
            clearTimeout(timer);
            resolve(value);
          },
          (error: unknown) => {
            clearTimeout(timer);
            reject(fail(error));
          },
        );
      }),
  };
}

/** An error PostgreSQL raised about a statement: the connection lives on. */
export function isServerError(error: unknown): error is postgres.PostgresError {
  return error instanceof postgres.PostgresError && error.severity === 'ERROR';
}

const READ_ONLY_TRANSACTION = '25006';
const UNKNOWN_STATEMENT = '26000';
/**
 * The first error of a pipeline is never this one, but where the driver prepares the outdated statement
 * anew by itself: it does so behind those that are on their way, in a transaction that has failed.
 */
const FAILED_TRANSACTION = '25P02';
/** The only way to tell this case of `feature_not_supported`: the words are the server's language. */
const OUTDATED_PLAN_ROUTINE = 'RevalidateCachedQuery';

/** What an error says about the session itself: a new one may do what this one will never do again. */
function sessionFault({ code, routine }: postgres.PostgresError): UnavailableReason | undefined {
  if (code === READ_ONLY_TRANSACTION) return 'read_only';
  const isOutdated = code === UNKNOWN_STATEMENT || code === FAILED_TRANSACTION;
  if (isOutdated || routine === OUTDATED_PLAN_ROUTINE) return 'outdated';
  return undefined;
}

function isConnectionFailure(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return error.severity !== 'ERROR';
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || 'errno' in error) return true;
  return hasCode(error) && error.code.startsWith('CONNECT');
}

function hasCode(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

/** Going down, coming up, or dropped with its database: of the class 57P. */
const NOT_SERVING = /^57P/;

/** Not reached, or a standby: another host of the URL may be the one that takes writes. */
function isUnfit(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return error.reason === 'read_only';
  return !(error instanceof postgres.PostgresError) || NOT_SERVING.test(error.code);
}

const TOO_MANY_CONNECTIONS = '53300';

function refusal(error: unknown): UnavailableReason {
  const crowded = error instanceof postgres.PostgresError && error.code === TOO_MANY_CONNECTIONS;
  return crowded ? 'crowded' : 'refused';
}
