/**
 * The REST door on a real database, behind either server: the uWebSockets.js bridge that production
 * uses, or Node's own http. What the rules announce is collected instead of sent.
 */
import type { AddressInfo } from 'node:net';
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import { createDoorkeeper } from '../../src/auth/doorkeeper.ts';
import { AUTHENTICATOR_LIMITS } from '../../src/bounds/auth.ts';
import { BODY_TIMEOUT_MS } from '../../src/bounds/http.ts';
import { WORK_LIMITS } from '../../src/bounds/limits.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../../src/bounds/shared.ts';
import { MAX_WAITING_CALLS, STORE_LIMITS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import { createChat } from '../../src/chat/chat.ts';
import type { Events } from '../../src/chat/ports.ts';
import { readConfig } from '../../src/config.ts';
import { refusalBody } from '../../src/http/errors.ts';
import { createHttpApp } from '../../src/http/http-app.ts';
import { createUwsBridge } from '../../src/http/uws-bridge.ts';
import { createWorkLine } from '../../src/limits/work-line.ts';
import { createLog } from '../../src/log.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget } from '../../src/shared/memory-budget.ts';
import { createDatabase } from '../../src/store/database.ts';
import { createStore } from '../../src/store/store.ts';
import { createWriter } from '../../src/store/writer.ts';

export type DoorKind = 'uWS bridge' | 'Node http';
export const doorKinds: DoorKind[] = ['uWS bridge', 'Node http'];

export interface Announcement {
  event: keyof Events;
  payload: unknown;
}

export interface RestDoor {
  url: string;
  announced: Announcement[];
  /** Closes Fastify, not the connections. */
  closeHttp(): Promise<void>;
  close(): Promise<void>;
}

/** One `name: function` per announcement of the rules. */
function collectEvents(announced: Announcement[]): Events {
  const collect = (event: keyof Events) => (payload: unknown) => {
    announced.push({ event, payload });
  };
  return {
    messageStored: collect('messageStored'),
    typingStarted: collect('typingStarted'),
    typingStopped: collect('typingStopped'),
    messagesRead: collect('messagesRead'),
    messagesDelivered: collect('messagesDelivered'),
    conversationCreated: collect('conversationCreated'),
    participantAdded: collect('participantAdded'),
    participantRemoved: collect('participantRemoved'),
    userDisconnected: collect('userDisconnected'),
  };
}

export async function openRestDoor(
  kind: DoorKind,
  options: {
    databaseUrl: string;
    maxPayloadBytes?: number;
    jwtSecret?: string;
    draining?: () => boolean;
  },
): Promise<RestDoor> {
  const log = createLog({ level: 'silent', pretty: false });
  const maxPayloadBytes = options.maxPayloadBytes ?? 100_000;
  const database = createDatabase({
    url: options.databaseUrl,
    poolMax: 4,
    maxWaiting: MAX_WAITING_CALLS,
    queryDeadlineMs: 10_000,
    statementTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
    idleInTransactionTimeoutMs: 10_000,
    applicationName: 'rest-suite',
    log,
  });
  const writer = createWriter({ database, limits: WRITER_LIMITS, log });
  const announced: Announcement[] = [];
  const store = createStore({ database, writer, limits: STORE_LIMITS });
  const chat = createChat({
    store,
    events: collectEvents(announced),
    clock: { monotonicMs: () => 0, after: () => () => undefined },
    contentRules: { maxContentLength: 4_000, sanitizeHtml: 'strip' },
    sendLimit: null,
    fanOutLimit: null,
    work: createWorkLine({ limits: WORK_LIMITS }),
  });
  const app = createUwsApp();
  const bridge = createUwsBridge({
    app,
    maxBodyBytes: maxPayloadBytes,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    memory: createMemoryBudget(DEFAULT_MAX_HELD_BYTES),
    refusalBody,
  });
  const http = await createHttpApp({
    chat,
    doorkeeper: createDoorkeeper(
      createAuthenticator(
        readConfig(options.jwtSecret === undefined ? {} : { JWT_SECRET: options.jwtSecret }).auth,
        AUTHENTICATOR_LIMITS,
      ),
      null,
    ),
    corsOrigins: '*',
    maxPayloadBytes,
    version: '0.0.0-test',
    draining: options.draining ?? (() => false),
    readiness: async () => {
      await store.ping();
      return { ready: true, checks: { postgres: 'ok' } };
    },
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      text: async () => 'up 1\n',
    },
    log,
    ...(kind === 'uWS bridge' ? { serverFactory: bridge.serverFactory } : {}),
  });

  let port: number;
  let stopListening: (() => void) | undefined;
  if (kind === 'uWS bridge') {
    await http.ready();
    const listening = await listenExclusive(app, '127.0.0.1', 0);
    port = listening.port;
    stopListening = listening.stop;
  } else {
    await http.listen({ host: '127.0.0.1', port: 0 });
    const address = http.server.address() as AddressInfo;
    port = address.port;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    announced,
    closeHttp: () => http.close(),
    async close() {
      stopListening?.();
      await http.close();
      app.close();
      await writer.drain(1_000);
      await database.close(1_000);
    },
  };
}
