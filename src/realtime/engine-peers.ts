/**
 * The seam to the other processes of a deployment, for clients whose requests reach any of them. Here
 * it is only known that a session may be somebody else's; who that is and how to reach them is for
 * whoever implements this.
 */

import type { Connection } from './engine-host.ts';
import type { HttpReply } from './engine-reply.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

/** Requests for sessions that other processes have. */
export interface ForeignSessions {
  /** Whether the id is one that another process may have given out. */
  mayHave(sid: string): boolean;
  /**
   * Answers a GET or POST of a polling session. `req` dies when this returns.
   *
   * @param nobodys called when it turns out that nobody has the session
   */
  poll(sid: string, reply: HttpReply, req: HttpRequest, nobodys: () => void): void;
  /**
   * The handler of a WebSocket that wants to take a session over; undefined: no more of them now. It
   * is accepted before anybody is asked: completed later, uWebSockets.js of early 2024 now and then
   * takes it for HTTP and closes it.
   *
   * @param nobodys called when it turns out that nobody has the session
   */
  webSocket(sid: string, nobodys: () => void): Connection | undefined;
}

export interface Peers {
  /** Begins the id of every session of this process. */
  readonly tag: Uint8Array;
  readonly foreign: ForeignSessions;
  /**
   * An app of its own, on which other processes call for their clients: for sessions that are here,
   * never for new ones, and nothing is passed on from it.
   */
  readonly app: TemplatedApp;
  /** Whether a request to `app` comes from another process of the deployment. */
  trusts(req: HttpRequest): boolean;
}
