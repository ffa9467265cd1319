/** The product's own Fastify app on Node's http instead of the uWebSockets.js bridge. */
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import { createDoorkeeper } from '../../src/auth/doorkeeper.ts';
import { AUTHENTICATOR_LIMITS } from '../../src/bounds/auth.ts';
import { WORK_LIMITS } from '../../src/bounds/limits.ts';
import { MAX_WAITING_CALLS, STORE_LIMITS, WRITER_LIMITS } from '../../src/bounds/store.ts';
import { createChat } from '../../src/chat/chat.ts';
import type { Events } from '../../src/chat/ports.ts';
import { readConfig } from '../../src/config.ts';
import { createHttpApp } from '../../src/http/http-app.ts';
import { createWorkLine } from '../../src/limits/work-line.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { createDatabase } from '../../src/store/database.ts';
import { createStore } from '../../src/store/store.ts';
import { createWriter } from '../../src/store/writer.ts';
import { announce } from './listening.ts';

const url = process.env.DATABASE_URL ?? '';
const config = readConfig({ DATABASE_URL: url, CORS_ORIGINS: 'http://localhost' });
const log = createLog({ level: 'error', pretty: false });
const database = createDatabase({
  url,
  poolMax: config.database.poolMax,
  maxWaiting: MAX_WAITING_CALLS,
  queryDeadlineMs: config.database.queryDeadlineMs,
  statementTimeoutMs: config.database.statementTimeoutMs,
  connectTimeoutMs: config.database.connectTimeoutMs,
  idleInTransactionTimeoutMs: config.database.statementTimeoutMs,
  applicationName: 'bench-node-http',
  log,
});
const writer = createWriter({ database, limits: WRITER_LIMITS, log });
const store = createStore({ database, writer, limits: STORE_LIMITS });
const metrics = createMetrics();
const nobodyListens = (): void => undefined;
const events: Events = {
  messageStored: nobodyListens,
  typingStarted: nobodyListens,
  typingStopped: nobodyListens,
  messagesRead: nobodyListens,
  messagesDelivered: nobodyListens,
  conversationCreated: nobodyListens,
  participantAdded: nobodyListens,
  participantRemoved: nobodyListens,
  userDisconnected: nobodyListens,
};
const http = await createHttpApp({
  chat: createChat({
    store,
    events,
    clock: { monotonicMs: () => performance.now(), after: () => nobodyListens },
    contentRules: config.content,
    sendLimit: null,
    fanOutLimit: null,
    work: createWorkLine({ limits: WORK_LIMITS }),
  }),
  doorkeeper: createDoorkeeper(createAuthenticator(config.auth, AUTHENTICATOR_LIMITS), null),
  corsOrigins: config.corsOrigins,
  maxPayloadBytes: config.maxPayloadBytes,
  version: 'bench',
  draining: () => false,
  readiness: () => Promise.resolve({ ready: true, checks: {} }),
  metrics,
  requestTimes: metrics.requests,
  log,
});
await http.listen({ host: '127.0.0.1', port: 0 });
const address = http.server.address();
announce(typeof address === 'object' && address !== null ? address.port : 0);
