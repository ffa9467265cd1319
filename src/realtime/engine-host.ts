/**
 * What the sessions of one Engine.IO server share, and what uWebSockets.js hands its events to.
 * Types only: the session is a parameter, so that nothing here depends on it.
 */

import type { MemoryBudget } from '../shared/memory-budget.ts';
import type { Ascii } from '../shared/native-text.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { Stranger, Strangers } from './engine-strangers.ts';
import type { TopicMember, Topics } from './engine-topics.ts';
import type { Beating, Heartbeat, TickDeadlines } from './heartbeat.ts';
import type { WebSocket } from './uws.ts';

/** What uWebSockets.js keeps for each WebSocket: whoever handles its events. */
export interface Connection {
  onOpen(socket: EngineSocket): void;
  onFrame(frame: ArrayBuffer, isBinary: boolean): void;
  /** A ping of the WebSocket itself; uWebSockets.js has answered it. */
  onPing(): void;
  onDrain(): void;
  onEnd(): void;
}

export type EngineSocket = WebSocket<{ handler: Connection }>;

/** What the layer above does with sessions. */
export interface SessionHandler<Session> {
  onSession(session: Session): void;
  /** The data of a message packet: text, or the session's own copy of the bytes. */
  onMessage(session: Session, data: string | Uint8Array): void;
  /** A packet that is no message: a pong, or one that means nothing to a server. */
  onControl(session: Session): void;
  /** Exactly once for each `onSession`; nothing is handed over afterwards. */
  onClose(session: Session, reason: string): void;
}

/** A session as its server sees it. */
export interface HostedSession extends Beating, Stranger, TopicMember {}

export interface SessionHost<Session extends HostedSession> {
  readonly limits: EngineLimits;
  readonly handler: SessionHandler<Session>;
  readonly log: RealtimeLog;
  readonly wheel: Heartbeat<Session>;
  readonly topics: Topics<Session>;
  readonly strangers: Strangers<Session>;
  readonly memory: MemoryBudget;
  /** Closed polling sessions whose client has not heard of it yet. */
  readonly closing: TickDeadlines<Session>;
  /** The topic through which uWebSockets.js pings a bucket of the wheel. */
  heartbeatTopic(bucket: number): Ascii;
  /** A session got, or lost, its WebSocket. */
  countWebSocket(change: 1 | -1): void;
  /** The session has closed: count it, and stop pinging it. */
  closed(session: Session, reason: string): void;
  /** Nobody can ask for this session id any more. */
  forget(session: Session): void;
}
