/**
 * The other processes of the deployment, so that a client's requests may reach any of them: those for
 * a session that another process has are passed on to it.
 *
 * Each process begins its session ids with a tag of its own, listens for the others on a second
 * address, and says in Redis where that is and with which key it is to be called. What is passed on
 * arrives on that second address, from which nothing is ever passed on again.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  MIN_ANSWER_BYTES,
  PEER_CONNECT_MS,
  PEER_KEEP_IDLE_MS,
  PEER_SLACK_MS,
} from '../bounds/peers.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../bounds/shared.ts';
import type { ConnectionCap } from '../realtime/connection-cap.ts';
import { closeSpread } from '../realtime/engine-drain.ts';
import { ENGINE_ERRORS } from '../realtime/engine-http.ts';
import { TAG_BYTES, tagOf, tagText } from '../realtime/engine-ids.ts';
import type { Peers } from '../realtime/engine-peers.ts';
import { HttpReply } from '../realtime/engine-reply.ts';
import { createUwsApp, type Listening, listenExclusive } from '../realtime/uws.ts';
import type { RedisServer } from '../redis/server.ts';
import { STRANGER } from '../shared/cors.ts';
import { createMemoryBudget, type MemoryBudget } from '../shared/memory-budget.ts';
import { CountedAgent } from './counted-agent.ts';
import { ownAddress } from './own-address.ts';
import { type PassedOutcome, PassedRequest, type PassedRequestLimits } from './passed-request.ts';
import { isNobody, KEY_HEADER, type PeerCall } from './peer-call.ts';
import { createPeerRegistry, type PeerLog } from './registry.ts';
import { Relay, type RelayLimits, type RelayOutcome } from './relay.ts';

export interface PeerNodeDeps {
  readonly redis: RedisServer;
  /** Where this process listens for the others; `auto`: this machine's first address. */
  readonly host: string;
  /** The port it listens on; 0: any free one. */
  readonly port: number;
  /** The path of Engine.IO, which is the same on all processes. */
  readonly path: string;
  readonly limits: {
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
    readonly bodyTimeoutMs: number;
    readonly maxPayloadBytes: number;
    readonly maxBackpressureBytes: number;
    readonly shedBackpressureBytes: number;
    /** Most requests and WebSockets under way to other processes; further ones are refused. */
    readonly maxSessions: number;
  };
  /** Where connections to other processes are counted with the clients'; with no place left none is opened. */
  readonly connections?: ConnectionCap;
  /** The budget for memory held for clients of other processes; left out: one of its own. */
  readonly memory?: MemoryBudget;
  readonly log: PeerLog;
}

export interface PeerStats {
  /** Polling requests passed on, by how they ended. */
  readonly requests: Readonly<Record<PassedOutcome, number>>;
  /** WebSockets relayed, by how they ended. */
  readonly relays: Readonly<Record<RelayOutcome, number>>;
  /** WebSockets relayed at this moment. */
  readonly relayed: number;
}

export interface PeerNode {
  /** To be given to the server that has this process's sessions. */
  readonly peers: Peers;
  /**
   * Listens for the others and makes itself known; to be called when the server is mounted.
   *
   * @throws ListenError where `listenExclusive` does
   */
  listen(): Promise<void>;
  /** Ends what is passed on, spread over `overMs`, so that its clients go elsewhere. */
  drain(overMs: number): Promise<void>;
  close(): Promise<void>;
  stats(): PeerStats;
}

const KEY_BYTES = 24;

/** This process's part among the others; nobody finds it before `listen`. */
export function createPeerNode(deps: PeerNodeDeps): PeerNode {
  const { limits, path, log, connections } = deps;
  const memory = deps.memory ?? createMemoryBudget(DEFAULT_MAX_HELD_BYTES);
  const tag = randomBytes(TAG_BYTES);
  const ownTag = tagText(tag);
  const key = randomBytes(KEY_BYTES).toString('base64url');
  const keyBytes = Buffer.from(key);
  const registry = createPeerRegistry({ redis: deps.redis, tag: ownTag, log });
  const agent = new CountedAgent({ keepAlive: true, timeout: PEER_KEEP_IDLE_MS }, connections);
  // A WebSocket gets no connection that has been used before.
  const relayAgent = new CountedAgent({ keepAlive: false }, connections);
  const app = createUwsApp();
  const underWay = new Set<PassedRequest | Relay>();
  const requests = { answered: 0, refused: 0, unknown: 0, failed: 0, aborted: 0 };
  const relays = { closed: 0, refused: 0, unknown: 0, failed: 0, stalled: 0 };
  let listening: Listening | undefined;

  const silenceMs = limits.pingIntervalMs + limits.pingTimeoutMs;
  const maxAnswerBytes =
    2 * Math.max(limits.maxPayloadBytes, limits.maxBackpressureBytes) + MIN_ANSWER_BYTES;
  const requestLimits: PassedRequestLimits = {
    maxBodyBytes: limits.maxPayloadBytes,
    maxAnswerBytes,
    connectTimeoutMs: PEER_CONNECT_MS,
    getTimeoutMs: silenceMs + PEER_SLACK_MS,
    postTimeoutMs: limits.bodyTimeoutMs + PEER_SLACK_MS,
  };
  const relayLimits: RelayLimits = {
    connectTimeoutMs: PEER_CONNECT_MS,
    maxFrameBytes: maxAnswerBytes,
    pauseBytes: limits.shedBackpressureBytes,
    maxPendingBytes: limits.maxBackpressureBytes + limits.maxPayloadBytes,
    stallTimeoutMs: silenceMs,
  };

  /** Finds who has the session and lets `call` go there, or refuses. */
  async function pass(
    sid: string,
    passed: { refuse(outcome: 'unknown' | 'failed'): void },
    call: (peer: PeerCall) => void,
  ): Promise<void> {
    const owner = tagOf(sid) ?? '';
    const address = await registry.find(owner);
    if (address === undefined) {
      passed.refuse('unknown');
      return;
    }
    try {
      call({
        address,
        path: (transport) => `${path}?EIO=4&transport=${transport}&sid=${sid}`,
        failed(error) {
          if (isNobody(error)) registry.gone(owner);
        },
      });
    } catch (error) {
      log.warn({ err: error }, 'A request could not be passed on');
      passed.refuse('failed');
    }
  }

  const isFull = (): boolean => underWay.size >= limits.maxSessions || connections?.isFull === true;

  // Whatever is not Engine.IO. No peer asks for it.
  app.any('/*', (res, req) => {
    new HttpReply(res, req, STRANGER).error(ENGINE_ERRORS.forbidden, true);
  });

  return {
    peers: {
      tag,
      app,
      trusts(req) {
        const shown = Buffer.from(req.getHeader(KEY_HEADER));
        return shown.length === keyBytes.length && timingSafeEqual(shown, keyBytes);
      },
      foreign: {
        mayHave(sid) {
          const owner = tagOf(sid);
          return owner !== undefined && owner !== ownTag;
        },
        poll(sid, reply, req, nobodys) {
          if (isFull()) {
            reply.error(ENGINE_ERRORS.unavailable, true);
            return;
          }
          const passed = new PassedRequest(reply, req, requestLimits, memory, (self, outcome) => {
            underWay.delete(self);
            requests[outcome] += 1;
            if (outcome === 'unknown' || outcome === 'refused') nobodys();
          });
          underWay.add(passed);
          void pass(sid, passed, (peer) => passed.send(peer, agent));
        },
        webSocket(sid, nobodys) {
          if (isFull()) return undefined;
          return new Relay(
            relayLimits,
            memory,
            (self) => {
              underWay.add(self);
              void pass(sid, self, (peer) => self.connect(peer, relayAgent));
            },
            (self, outcome) => {
              underWay.delete(self);
              relays[outcome] += 1;
              if (outcome === 'unknown' || outcome === 'refused') nobodys();
            },
          );
        },
      },
    },

    async listen() {
      const host = ownAddress(deps.host);
      listening = await listenExclusive(app, host, deps.port);
      await registry.announce({ host, port: listening.port, key });
    },

    drain: (overMs) =>
      closeSpread(
        underWay,
        overMs,
        (passed) => passed.end(),
        () => underWay.size > 0,
      ),

    async close() {
      for (const passed of [...underWay]) passed.end();
      await registry.close();
      listening?.stop();
      agent.destroy();
      app.close();
    },

    stats() {
      let relayed = 0;
      for (const passed of underWay) if (passed instanceof Relay && passed.isOpen) relayed += 1;
      return { requests, relays, relayed };
    },
  };
}
