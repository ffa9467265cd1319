/**
 * The only module that loads uWebSockets.js; everyone else takes a `TemplatedApp` as a parameter
 * and imports its types from here with `import type`.
 *
 * Guarantees: the native binary is loaded when the first app is created (not on import), and a
 * failing load is one sentence; a port is taken exclusively or refused, and shared only on demand.
 */

import type { ListenOptions } from 'uWebSockets.js';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { MAX_PORT_ATTEMPTS } from '../bounds/realtime.ts';
import { MAX_HEADER_BYTES } from '../bounds/shared.ts';
import { loadFailure } from './uws-load-failure.ts';
import type { Native, TemplatedApp, us_listen_socket } from './uws-types.ts';

export type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from './uws-types.ts';

/** LIBUS_LISTEN_DEFAULT, which the module does not export: with SO_REUSEPORT. */
const sharedPort: ListenOptions = 0;

/** A port in use by this process. */
export interface Listening {
  /** The port really taken (of interest when 0 was asked for). */
  readonly port: number;
  /** Closes the listen socket: no new connections; the open ones live on. Safe to call again. */
  stop(): void;
}

/**
 * A listen that failed; `code` is spelled as in Node's own errors.
 *
 * @public
 */
export interface ListenError extends Error {
  readonly code: string;
}

let loaded: Native | undefined;

function native(): Native {
  if (loaded === undefined) {
    // Read by the library from the environment once, when it is loaded, and settable no other way.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES);
    try {
      // A CommonJS package that requires its binary at once: only `require` lets us catch that.
      const module: Native = createRequire(import.meta.url)('uWebSockets.js');
      module._cfg('silent'); // No `uWebSockets: 20` field in every response.
      loaded = module;
    } catch (cause) {
      throw new Error(loadFailure(cause), { cause });
    }
  }
  return loaded;
}

/**
 * Loads the native binary, so that a machine on which it does not load is refused before anything else
 * is begun.
 *
 * @throws Error with one sentence that says why it does not load here
 */
export function loadNativeServer(): void {
  native();
}

/** Where the private key and the certificate are: files in PEM. */
export interface TlsFiles {
  readonly keyFile: string;
  readonly certFile: string;
}

/**
 * Reads the key and the certificate, and tries whether they belong together.
 *
 * @throws Error with one sentence that names both settings
 */
export function requireTlsFiles({ keyFile, certFile }: TlsFiles): void {
  try {
    createSecureContext({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`TLS_KEY_FILE and TLS_CERT_FILE cannot be used: ${reason}`, { cause });
  }
}

/**
 * A uWebSockets.js app without routes; it speaks TLS when it is given a key and a certificate.
 *
 * @throws Error with one readable sentence when the native binary does not load here, or the key
 *   and the certificate cannot be used.
 */
export function createUwsApp(tls: TlsFiles | null = null): TemplatedApp {
  if (tls === null) return native().App();
  // The library would only say later, on listen, that something is wrong.
  requireTlsFiles(tls);
  return native().SSLApp({
    key_file_name: Buffer.from(tls.keyFile),
    cert_file_name: Buffer.from(tls.certFile),
  });
}

/**
 * Listens on `host` (an address or name, of `localhost` both; '' means every interface, IPv4 and IPv6) and `port` (0:
 * any free one), exclusively: uWebSockets.js alone would set SO_REUSEPORT and let a second process
 * steal half of the connections.
 *
 * @throws ListenError (rejection), its `code` as Node has it: `EADDRINUSE` when the port is taken,
 *   `EACCES`, `EADDRNOTAVAIL`, `ENOTFOUND`. The library only says that it failed, so Node's own
 *   listen is asked for the reason.
 */
export function listenExclusive(app: TemplatedApp, host: string, port: number): Promise<Listening> {
  return listen(app, host, port, native().LIBUS_LISTEN_EXCLUSIVE_PORT);
}

/**
 * Listens as `listenExclusive` does, but beside other processes of this user that listen in the same way: the
 * kernel gives each new connection to one of them. Not with port 0: what the system chooses the
 * library does not share. Whether somebody else shares the port is for the caller to find out before.
 */
export function listenShared(app: TemplatedApp, host: string, port: number): Promise<Listening> {
  return listen(app, host, port, sharedPort);
}

async function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  options: ListenOptions,
): Promise<Listening> {
  if (host !== 'localhost') return listenOn(app, host, port, options);
  // Both addresses of the name, on one port: clients try either of them first, some only one.
  for (let attempt = 1; ; attempt += 1) {
    const ipv4 = await listenOn(app, '127.0.0.1', port, options);
    try {
      const ipv6 = await listenOn(app, '::1', ipv4.port, options);
      return {
        port: ipv4.port,
        stop() {
          ipv4.stop();
          ipv6.stop();
        },
      };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return ipv4; // A machine without IPv6.
      ipv4.stop();
      // The system chose a port that somebody has on the other address.
      if (code === 'EADDRINUSE' && port === 0 && attempt < MAX_PORT_ATTEMPTS) continue;
      throw error;
    }
  }
}

async function listenOn(
  app: TemplatedApp,
  host: string,
  port: number,
  options: ListenOptions,
): Promise<Listening> {
  const uws = native();
  const socket = tryListen(app, host, port, options);
  if (socket === false) {
    const code = await reasonNotToListen(host, port);
    const place = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
    const reason = code === 'EADDRINUSE' ? 'the port is in use' : code;
    throw Object.assign(new Error(`Cannot listen on ${place}: ${reason}`), { code });
  }
  let open = true;
  return {
    port: uws.us_socket_local_port(socket),
    stop() {
      if (!open) return;
      open = false; // The socket is a raw native pointer: closing it twice is a crash.
      uws.us_listen_socket_close(socket);
    },
  };
}

function tryListen(app: TemplatedApp, host: string, port: number, options: ListenOptions) {
  // The callback runs before `listen` returns.
  const taken: { socket: us_listen_socket | false } = { socket: false };
  const keep = (socket: us_listen_socket | false): void => {
    taken.socket = socket;
  };
  // An empty host would shift the native arguments: port 0, and the port as options.
  if (host === '') app.listen(port, options, keep);
  else app.listen(host, port, options, keep);
  return taken.socket;
}

function reasonNotToListen(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    // Node got the port: whoever had it let go in between.
    probe.listen({ host: host === '' ? undefined : host, port, exclusive: true }, () =>
      probe.close(() => resolve('EADDRINUSE')),
    );
  });
}
