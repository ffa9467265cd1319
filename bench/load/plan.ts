/** What the load generator is told and what it answers: the one vocabulary of both processes. */
import { type Static, Type } from '@sinclair/typebox';

const Room = Type.Object({
  conversationId: Type.String(),
  /** User ids; one socket each. */
  members: Type.Array(Type.String()),
});
export type Room = Static<typeof Room>;

const common = {
  /** What the servers speak; left out: Socket.IO, as the product. */
  wire: Type.Optional(Type.Union([Type.Literal('socket.io'), Type.Literal('xmpp')])),
  /** Sockets are dealt out to these in turn, … */
  ports: Type.Array(Type.Integer(), { minItems: 1 }),
  /** … or, if set, room by room: those of one room all go to the same. */
  roomsTogether: Type.Optional(Type.Boolean()),
  rooms: Type.Array(Room, { minItems: 1 }),
  /** Connections being made at a time. */
  connectConcurrency: Type.Integer({ minimum: 1 }),
  connectTimeoutMs: Type.Integer({ minimum: 1 }),
  /** Processes whose CPU is read at both ends of the measured time. */
  serverPids: Type.Array(Type.Integer()),
};

const Traffic = Type.Object({
  kind: Type.Literal('traffic'),
  ...common,
  /** Everybody sends, or the first of each room. */
  senders: Type.Union([Type.Literal('all'), Type.Literal('first')]),
  /** Each sender keeps so many messages unanswered (closed loop) … */
  window: Type.Integer({ minimum: 0 }),
  /** … or, not 0: so many messages a second in all, on schedule, answered or not (open loop). */
  ratePerSecond: Type.Number({ minimum: 0 }),
  warmUpMs: Type.Integer(),
  measureMs: Type.Integer(),
  /** How long the last messages may take after the measured time. */
  settleMs: Type.Integer(),
  contentBytes: Type.Integer({ minimum: 32 }),
  /** Each client has an address of its own, in X-Forwarded-For. */
  ownAddresses: Type.Optional(Type.Boolean()),
  /** Clients present tokens signed with it; left out: the server believes a stated id. */
  tokenSecret: Type.Optional(Type.String()),
  /** Who is in several rooms has one socket, has joined all of them and sends into them in turn. */
  socketPerPerson: Type.Optional(Type.Boolean()),
});
export type Traffic = Static<typeof Traffic>;

const Connections = Type.Object({
  kind: Type.Literal('connections'),
  ...common,
});
export type Connections = Static<typeof Connections>;

/** What it takes to connect everybody. */
export type Joining = Omit<Connections, 'kind'> &
  Pick<Traffic, 'ownAddresses' | 'tokenSecret' | 'socketPerPerson'>;

const Storm = Type.Object({
  kind: Type.Literal('storm'),
  ...common,
  /** Messages a second into the rooms all the while, by senders that stay connected. */
  ratePerSecond: Type.Number(),
  /** Milliseconds between the drop and the first new connection. */
  awayMs: Type.Integer(),
  settleMs: Type.Integer(),
});
export type Storm = Static<typeof Storm>;

const Http = Type.Object({
  kind: Type.Literal('http'),
  port: Type.Integer(),
  connections: Type.Integer({ minimum: 1 }),
  /** Sent in turn; each is a whole HTTP/1.1 request. */
  requests: Type.Array(Type.String(), { minItems: 1 }),
  /** `{n}` in a request is replaced by a counter, and Content-Length made to fit. */
  numbered: Type.Boolean(),
  /** What every answer must have in it so many times. */
  expect: Type.Object({ status: Type.Integer(), text: Type.String(), times: Type.Integer() }),
  serverPids: Type.Array(Type.Integer()),
  warmUpMs: Type.Integer(),
  measureMs: Type.Integer(),
});
export type Http = Static<typeof Http>;

const Abuse = Type.Object({
  kind: Type.Literal('abuse'),
  /** One of abusers/all.ts. */
  abuser: Type.String(),
  port: Type.Integer(),
  /** Where the server's database is. */
  databaseUrl: Type.String(),
  /** The secret with which the server's tokens are signed. */
  tokenSecret: Type.String(),
  /** The abuser ends when it is told to, or after so long, or after so many attempts. */
  maxMs: Type.Integer(),
  maxAttempts: Type.Integer(),
});
export type Abuse = Static<typeof Abuse>;

export const LoadPlan = Type.Union([Traffic, Connections, Storm, Http, Abuse]);
export type LoadPlan = Static<typeof LoadPlan>;

/** A latency distribution in milliseconds. */
const Latency = Type.Object({
  count: Type.Integer(),
  mean: Type.Number(),
  /** [percentile, milliseconds] */
  percentiles: Type.Array(Type.Tuple([Type.Number(), Type.Number()])),
});
export type Latency = Static<typeof Latency>;

const Faults = Type.Object({
  lost: Type.Integer(),
  doubled: Type.Integer(),
  reordered: Type.Integer(),
  refused: Type.Integer(),
  /** Messages in the table that nobody was told of, or the other way round: see the bench. */
  notes: Type.Array(Type.String()),
});
export type Faults = Static<typeof Faults>;

const Used = Type.Object({
  durationMs: Type.Number(),
  serverCpuMs: Type.Number(),
  /** CPU time of each of the server's processes, in the order of `serverPids`: an event loop has one core. */
  eachServerCpuMs: Type.Array(Type.Number()),
  loadCpuMs: Type.Number(),
  /** All processes called postgres on this machine, other people's too. */
  postgresCpuMs: Type.Number(),
  /** CPU time of redis-server and valkey-server. */
  redisCpuMs: Type.Number(),
});
export type Used = Static<typeof Used>;

export const LoadResult = Type.Object({
  used: Used,
  /** Sends accepted, requests answered as expected, or connections made in the measured time. */
  done: Type.Integer(),
  /** Messages delivered in the measured time. */
  delivered: Type.Integer(),
  /** What `done` counts, in the whole run. */
  totalDone: Type.Integer(),
  ackLatency: Latency,
  deliveryLatency: Latency,
  faults: Faults,
  /** For an abuser: how often each kind of attempt ended how, as `send rate_limited`. */
  outcomes: Type.Optional(Type.Record(Type.String(), Type.Integer())),
});
export type LoadResult = Static<typeof LoadResult>;
