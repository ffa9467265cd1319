/**
 * The WebSocket door of Engine.IO: what uWebSockets.js calls, and the probe of an upgrade.
 *
 * Guarantees: nothing thrown below leaves a callback (it would end the process); a probing socket
 * can do nothing but probe and upgrade, and only for a limited time.
 */

import { MAX_PROBE_PINGS } from '../bounds/realtime.ts';
import { ascii, latin1, utf8 } from '../shared/native-text.ts';
import type { Connection, EngineSocket } from './engine-host.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { EngineSession } from './engine-session.ts';
import type { HttpRequest, HttpResponse, us_socket_context_t, WebSocketBehavior } from './uws.ts';

const PROBE_PING = '2probe';
const PROBE_PONG = ascii('3probe');
const NO_EXTENSIONS = ascii('');
const UPGRADE = '5';
/** Longer frames are neither: they need not be decoded. */
const PROBE_FRAME_BYTES = 16;

/** A second connection of a polling session, which wants to become its transport. */
export class Probe<Owner> implements Connection {
  probed = false;
  readonly #session: EngineSession<Owner>;
  readonly #ended: (probe: Probe<Owner>) => void;
  #socket: EngineSocket | undefined = undefined;
  #pings = 0;

  /** @param ended called once, when the probe has upgraded, failed or been abandoned */
  constructor(session: EngineSession<Owner>, ended: (probe: Probe<Owner>) => void) {
    this.#session = session;
    this.#ended = ended;
    session.probe = this;
  }

  onOpen(socket: EngineSocket): void {
    this.#socket = socket;
  }

  onFrame(frame: ArrayBuffer, isBinary: boolean): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const text =
      isBinary || frame.byteLength > PROBE_FRAME_BYTES ? '' : Buffer.from(frame).toString();
    if (text === PROBE_PING) {
      this.probed = true;
      socket.send(PROBE_PONG, false);
      // Frames that wait go out with the GET; a GET with nothing to carry would hold the client.
      this.#session.polling?.flush();
      this.#session.polling?.release('6');
    } else if (text === UPGRADE) {
      this.#socket = undefined;
      this.#ended(this);
      this.#session.upgrade(socket);
    } else {
      this.abandon();
    }
  }

  /** Closes the socket; the session goes on as it was. */
  abandon(): void {
    const socket = this.#socket;
    this.onEnd();
    socket?.end();
  }

  onPing(): void {
    if (++this.#pings > MAX_PROBE_PINGS) this.abandon();
  }

  onDrain(): void {
    // Nothing to do: a probe is sent seven bytes in its life.
  }

  onEnd(): void {
    if (this.#socket === undefined) return;
    this.#socket = undefined;
    if (this.#session.probe === this) this.#session.probe = undefined;
    this.#ended(this);
  }
}

/** A WebSocket for a session that has one: accepted, so that the client sees a clean close. */
const REFUSED: Connection = {
  onOpen: (socket) => socket.end(),
  onFrame: () => undefined,
  onPing: () => undefined,
  onDrain: () => undefined,
  onEnd: () => undefined,
};

/** Completes the WebSocket handshake; `handler` gets the socket's events, none of it: refuse. */
export function acceptWebSocket(
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
  handler: Connection | undefined,
): void {
  // The library would echo the whole offer; the stock server answers with the first of it.
  const protocol = req.getHeader('sec-websocket-protocol').split(',', 1)[0]?.trim() ?? '';
  res.upgrade(
    { handler: handler ?? REFUSED },
    latin1(req.getHeader('sec-websocket-key')),
    utf8(protocol),
    NO_EXTENSIONS,
    context,
  );
}

export interface WebSocketDeps {
  readonly maxPayloadBytes: number;
  readonly hardBackpressureBytes: number;
  readonly log: RealtimeLog;
  /** Where the WebSockets that are open are kept. */
  readonly sockets?: Set<unknown>;
  /** Called for each WebSocket that has closed. */
  readonly closed?: (() => void) | undefined;
  readonly upgrade: (res: HttpResponse, req: HttpRequest, context: us_socket_context_t) => void;
}

/** The behaviour to give to `app.ws`. */
export function webSocketBehavior(deps: WebSocketDeps): WebSocketBehavior<{ handler: Connection }> {
  const { log, sockets, upgrade } = deps;

  /** Contains a fault of ours in the one connection that met it. */
  function failed(socket: EngineSocket | undefined, error: unknown): void {
    log.error({ err: error }, 'A WebSocket callback failed');
    try {
      socket?.close();
    } catch (cause) {
      log.debug({ err: cause }, 'The WebSocket was closed already');
    }
  }

  return {
    maxPayloadLength: deps.maxPayloadBytes,
    maxBackpressure: deps.hardBackpressureBytes,
    closeOnBackpressureLimit: 1,
    // Our heartbeat is Engine.IO's.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade(res, req, context) {
      try {
        upgrade(res, req, context);
      } catch (error) {
        failed(undefined, error);
        res.close();
      }
    },
    open(socket) {
      sockets?.add(socket);
      try {
        socket.getUserData().handler.onOpen(socket);
      } catch (error) {
        failed(socket, error);
      }
    },
    message(socket, frame, isBinary) {
      try {
        socket.getUserData().handler.onFrame(frame, isBinary);
      } catch (error) {
        failed(socket, error);
      }
    },
    ping(socket) {
      try {
        socket.getUserData().handler.onPing();
      } catch (error) {
        failed(socket, error);
      }
    },
    drain(socket) {
      try {
        socket.getUserData().handler.onDrain();
      } catch (error) {
        failed(socket, error);
      }
    },
    close(socket) {
      sockets?.delete(socket);
      deps.closed?.();
      try {
        socket.getUserData().handler.onEnd();
      } catch (error) {
        failed(undefined, error);
      }
    },
  };
}
