/**
 * Where clients come in: all that is below one path of a uWebSockets.js app, requests and WebSockets alike.
 * A server has one for clients, and one for the processes that pass their clients on.
 */

import type { ConnectionCap } from './connection-cap.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { RequestHandlers } from './engine-requests.ts';
import { hardBackpressureBytes } from './engine-topics.ts';
import { webSocketBehavior } from './engine-websocket.ts';
import type { TemplatedApp } from './uws.ts';

export interface EngineDoorDeps {
  readonly app: TemplatedApp;
  /** Begins and ends with a slash. */
  readonly path: string;
  readonly limits: EngineLimits;
  readonly log: RealtimeLog;
  readonly requests: RequestHandlers;
  /** Where connections are counted and refused; undefined: there may be as many as come. */
  readonly connections: ConnectionCap | undefined;
  /** Kept up to date with the WebSockets that came in here, where somebody wants to know. */
  readonly sockets?: Set<unknown>;
}

/** Registers the door's routes; to be called before the app listens. */
export function openEngineDoor(deps: EngineDoorDeps): void {
  const { app, path, limits, log, requests, connections, sockets } = deps;
  const { maxPayloadBytes, maxBackpressureBytes } = limits;
  connections?.guard(app);
  app.ws(
    `${path}*`,
    webSocketBehavior({
      maxPayloadBytes,
      hardBackpressureBytes: hardBackpressureBytes(maxBackpressureBytes, maxPayloadBytes),
      log,
      ...(sockets === undefined ? {} : { sockets }),
      closed: connections?.closed,
      upgrade: requests.upgrade,
    }),
  );
  app.any(`${path}*`, requests.http);
}
