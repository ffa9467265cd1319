/**
 * An Engine.IO v4 server on a uWebSockets.js app: sessions over long-polling and WebSocket, with
 * upgrade, heartbeat, topics and bounds. It knows nothing of Socket.IO.
 *
 * Source: Engine.IO protocol, version 4; where it is silent, the behaviour of engine.io 6.
 */

import { UPGRADE_POLL_MS } from '../bounds/realtime.ts';
import { createCors } from '../shared/cors.ts';
import { within } from '../shared/deadline.ts';
import type { MemoryBudget } from '../shared/memory-budget.ts';
import { type Ascii, ascii } from '../shared/native-text.ts';
import type { PageOrigins } from '../shared/origin.ts';
import type { ConnectionCap } from './connection-cap.ts';
import { openEngineDoor } from './engine-door.ts';
import { closeSpread } from './engine-drain.ts';
import type { SessionHost } from './engine-host.ts';
import type { ClientGate, RequestFacts } from './engine-http.ts';
import { createSessionIds } from './engine-ids.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import { openPacket } from './engine-open.ts';
import type { Peers } from './engine-peers.ts';
import { createPostReceiver } from './engine-post.ts';
import { createRequestHandlers, type RequestDeps } from './engine-requests.ts';
import { type EngineHandler, EngineSession } from './engine-session.ts';
import { createStrangers } from './engine-strangers.ts';
import { createTopics } from './engine-topics.ts';
import { Probe } from './engine-websocket.ts';
import { createHeartbeat, type TickDeadlines } from './heartbeat.ts';
import type { TemplatedApp } from './uws.ts';

export interface EngineServerDeps<Owner> {
  readonly app: TemplatedApp;
  /** Begins and ends with a slash; everything below it is answered here. */
  readonly path: string;
  readonly limits: EngineLimits;
  readonly corsOrigins: PageOrigins;
  /** Whether this server may be called by that name; left out: by any. */
  readonly trustsHost?: (host: string) => boolean;
  readonly log: RealtimeLog;
  readonly handler: EngineHandler<Owner>;
  /** Who may come in; left out: every client is admitted. */
  readonly gate?: ClientGate;
  /** The processes that have other sessions; left out: this process has all there are. */
  readonly peers?: Peers;
  readonly memory: MemoryBudget;
  /** Where connections are counted and refused; left out: there may be as many as come. */
  readonly connections?: ConnectionCap | undefined;
}

export interface EngineServer<Owner> {
  /** To be put before every topic given to this server: topics of an app are shared by all its servers. */
  readonly topicPrefix: Ascii;
  /** See `Topics.publish`. */
  publish(
    topic: Ascii,
    frame: string | Uint8Array,
    except?: readonly EngineSession<Owner>[],
    shed?: boolean,
  ): void;
  /** To be called when it has become known whom a session speaks for, or is no longer known. */
  identified(session: EngineSession<Owner>, isKnown: boolean): void;
  subscribers(topic: Ascii): number;
  /** A queue of deadlines on the heartbeat's ticks. */
  deadlines<T extends NonNullable<unknown>>(ms: number, onDue: (item: T) => void): TickDeadlines<T>;
  stopAccepting(): void;
  /** See `SocketServer.drain`; `settled` is asked about a session before it is closed. */
  drain(how: {
    overMs: number;
    finishMs: number;
    settled?: (session: EngineSession<Owner>) => Promise<void>;
  }): Promise<number>;
  close(): Promise<void>;
  stats(): EngineStats;
}

export interface EngineStats {
  readonly sessions: number;
  readonly websocketSessions: number;
  readonly pollingSessions: number;
  /** Sessions of which nobody knows whom they speak for. */
  readonly strangers: number;
  /** Sessions behind the shedding watermark. */
  readonly slowSessions: number;
  /** Sessions closed so far, by reason. */
  readonly closed: ReadonlyMap<string, number>;
}

let servers = 0;

/**
 * Mounts an Engine.IO server on `deps.app`. The caller makes the app listen.
 *
 * Source: Engine.IO protocol, version 4.
 */
export function createEngineServer<Owner>(deps: EngineServerDeps<Owner>): EngineServer<Owner> {
  const { app, path, limits, log, handler, memory, peers, connections } = deps;
  const sessions = new Map<string, EngineSession<Owner>>();
  const closedBy = new Map<string, number>();
  // A control character keeps the heartbeat's topics and everybody else's apart.
  const topicPrefix = ascii(`${(servers++).toString(36)}\u0001`);
  let accepting = true;
  let webSockets = 0;
  const newSessionId = createSessionIds(peers?.tag);
  const peerSockets = new Set<unknown>();

  const topics = createTopics<EngineSession<Owner>>({
    app,
    ...(peers === undefined ? {} : { peers: { app: peers.app, sockets: peerSockets } }),
    ownTopicPrefix: ascii(`${topicPrefix}\u0003`),
    maxBackpressureBytes: limits.maxBackpressureBytes,
    shedBackpressureBytes: limits.shedBackpressureBytes,
    members: () => sessions.values(),
  });
  const strangers = createStrangers<EngineSession<Owner>>(limits, memory);
  const heartbeatTopics: Ascii[] = [];
  const heartbeatTopic = (bucket: number): Ascii =>
    (heartbeatTopics[bucket] ??= ascii(`${topicPrefix}\u0002${bucket}`));
  const wheel = createHeartbeat<EngineSession<Owner>>({
    pingIntervalMs: limits.pingIntervalMs,
    pingTimeoutMs: limits.pingTimeoutMs,
    onPing(bucket, members) {
      topics.publishToSockets(heartbeatTopic(bucket), '2');
      for (const member of members) if (member.socket === undefined) member.send('2');
    },
    onTimeout: (session) => session.abort('ping timeout'),
    onError: (error) => log.error({ err: error }, 'The heartbeat failed'),
  });
  const closing = wheel.deadlines<EngineSession<Owner>>(limits.closeTimeoutMs, (session) =>
    session.finishClosing(),
  );
  const probing = wheel.deadlines<Probe<Owner>>(limits.upgradeTimeoutMs, (probe) =>
    probe.abandon(),
  );
  const heldPolls = wheel.deadlines<EngineSession<Owner>>(UPGRADE_POLL_MS, (session) => {
    if (session.probe !== undefined) session.polling?.release('6');
  });

  const host: SessionHost<EngineSession<Owner>> = {
    limits,
    handler,
    log,
    wheel,
    topics,
    strangers,
    memory,
    closing,
    heartbeatTopic,
    countWebSocket(change) {
      webSockets += change;
    },
    closed(session, reason) {
      wheel.remove(session);
      strangers.delete(session);
      closedBy.set(reason, (closedBy.get(reason) ?? 0) + 1);
    },
    forget(session) {
      sessions.delete(session.sid);
    },
  };

  function createSession(facts: RequestFacts, isPolling: boolean): EngineSession<Owner> {
    const session = new EngineSession(host, newSessionId(), facts, isPolling);
    sessions.set(session.sid, session);
    strangers.add(session);
    return session;
  }

  const requestDeps: RequestDeps<Owner> = {
    limits,
    log,
    cors: createCors(deps.corsOrigins, deps.trustsHost),
    posts: createPostReceiver({ limits, memory, log, deadlines: wheel.deadlines }),
    find: (sid) => sessions.get(sid),
    foreign: peers?.foreign,
    trusts: () => true,
    accepts: () => accepting && strangers.makeRoom(sessions.size),
    gate: deps.gate,
    openPolling(facts, reply) {
      const session = createSession(facts, true);
      session.deliver(openPacket(session.sid, ['websocket'], limits));
      session.polling?.attach(reply);
      session.polling?.flush();
      session.start();
    },
    openWebSocket(facts) {
      return {
        onOpen(socket) {
          const session = createSession(facts, false);
          socket.getUserData().handler = session;
          session.onOpen(socket);
          session.deliver(openPacket(session.sid, [], limits));
          session.start();
        },
        onFrame: () => undefined,
        onPing: () => undefined,
        onDrain: () => undefined,
        onEnd: () => undefined,
      };
    },
    openProbe(session) {
      const taken = session.probe !== undefined || session.state === 'closed';
      if (taken || session.polling === undefined) return undefined;
      const probe = new Probe(session, probing.delete);
      probing.add(probe);
      return probe;
    },
    holdPoll: (session) => heldPolls.add(session),
  };

  const door = { path, limits, log, connections };
  openEngineDoor({ ...door, app, requests: createRequestHandlers(requestDeps) });
  if (peers !== undefined) {
    const forPeers: RequestDeps<Owner> = {
      ...requestDeps,
      cors: createCors('*'),
      foreign: undefined,
      // The client was judged where it called.
      gate: undefined,
      trusts: peers.trusts,
      accepts: () => false,
    };
    const requests = createRequestHandlers(forPeers);
    openEngineDoor({ ...door, app: peers.app, requests, sockets: peerSockets });
  }

  function closeAll(): void {
    for (const session of [...sessions.values()]) session.close('server shutting down');
  }

  return {
    topicPrefix,
    publish(topic, frame, except = [], shed = false) {
      topics.publish(topic, frame, except, shed);
    },
    subscribers: topics.subscribers,
    identified(session, isKnown) {
      if (session.state !== 'open') return;
      if (isKnown) strangers.identified(session);
      else strangers.add(session);
    },
    deadlines: wheel.deadlines,
    stopAccepting() {
      accepting = false;
    },
    async drain({ overMs, finishMs, settled }) {
      accepting = false;
      const closing: Promise<void>[] = [];
      const closeOne = async (session: EngineSession<Owner>): Promise<void> => {
        await settled?.(session);
        session.close('server shutting down');
      };
      await closeSpread(
        sessions.values(),
        overMs,
        (session) => closing.push(closeOne(session)),
        () => sessions.size > 0,
      );
      const spreadAtMs = performance.now();
      await within(
        Promise.all(closing).then(() => undefined),
        finishMs,
      );
      closeAll();
      return Math.max(spreadAtMs + finishMs - performance.now(), 0);
    },
    async close() {
      accepting = false;
      closeAll();
      for (const session of [...sessions.values()]) session.finishClosing();
      wheel.stop();
    },
    stats: () => ({
      sessions: sessions.size,
      websocketSessions: webSockets,
      pollingSessions: sessions.size - webSockets,
      strangers: strangers.size,
      slowSessions: topics.slowCount,
      closed: closedBy,
    }),
  };
}
