/**
 * Somebody who exceeds every limit: one user's sends on several sockets, a socket that floods events,
 * an address that opens connections, one whose handshakes fail, REST requests. On a schedule, so that
 * what is shown is the server's limits and not that a machine has so many cores; bounded in count and
 * time besides. The result's `outcomes` say how the attempts ended; its `totalDone` is how many
 * messages were stored.
 */
import { Agent, request } from 'node:http';
import { Client, type ClientEvents } from './client.ts';
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Abuse, Faults, LoadResult } from './plan.ts';
import { after } from './traffic.ts';

type Kind = keyof Abuse['perSecond'];

const TICK_MS = 2;
/** Connections, and requests, under way at a time; an attempt beyond them is not made. */
const MAX_OPEN = 100;
const SETTLE_MS = 5_000;
/** Documentation addresses (RFC 5737): its sockets and requests, its connections, its handshakes. */
const [OWN, OPENING, FAILING] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];

const silent: ClientEvents = {
  onConnected: () => undefined,
  onMessage: () => undefined,
  onAck: () => undefined,
  onError: () => undefined,
  onClose: () => undefined,
};

export async function runAbuse(plan: Abuse, stop: AbortSignal): Promise<LoadResult> {
  const { port, userId, conversationId } = plan;
  const outcomes: Record<string, number> = {};
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const open = { connection: 0, handshake: 0, request: 0 };
  let attempts = 0;
  let unanswered = 0;
  let ended = false;

  function count(kind: Kind, outcome: string): void {
    const key = `${kind} ${outcome}`;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
  }

  const ready = new Set<Client>();
  const own: ClientEvents = { ...silent, onConnected: (client) => ready.add(client) };
  const senders = Array.from({ length: plan.sendSockets }, (_, index) => {
    const onAck: ClientEvents['onAck'] = (_client, _id, ok, buffer, from, to) => {
      unanswered -= 1;
      count('send', ok ? 'accepted' : codeOf(buffer.toString('utf8', from, to)));
    };
    return new Client(index, port, userId, { ...own, onAck }, OWN);
  });

  function openFlooder(): Client {
    const events: ClientEvents = {
      ...own,
      onAck(_client, _id, ok, buffer, from, to) {
        count('event', ok ? 'accepted' : codeOf(buffer.toString('utf8', from, to)));
      },
      onClose() {
        if (ended) return;
        count('event', 'cut');
        flooder = openFlooder();
      },
    };
    return new Client(0, port, userId, events, OWN);
  }
  let flooder = openFlooder();

  function connectOnce(kind: 'connection' | 'handshake', user: string, address: string): void {
    let told = false;
    const tell = (client: Client, outcome: string): void => {
      if (!told) count(kind, outcome);
      told = true;
      client.destroy();
    };
    open[kind] += 1;
    const events: ClientEvents = {
      ...silent,
      onConnected: (client) => tell(client, 'accepted'),
      onError: (client, text) => tell(client, codeOf(text)),
      onClose(client) {
        open[kind] -= 1;
        tell(client, 'cut');
      },
    };
    new Client(0, port, user, events, address);
  }

  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const requestOptions = {
    port,
    host: '127.0.0.1',
    path: `/messages/${conversationId}?limit=1`,
    agent,
    headers: { 'x-user-id': userId, 'x-forwarded-for': OWN },
  };
  function requestOnce(): void {
    open.request += 1;
    const call = request(requestOptions, async (answer) => {
      let body = '';
      for await (const chunk of answer.setEncoding('utf8')) body += chunk;
      count('request', answer.statusCode === 200 ? 'accepted' : codeOf(body));
    });
    call.on('error', () => count('request', 'cut'));
    call.on('close', () => {
      open.request -= 1;
    });
    call.end();
  }

  /** Makes one attempt; false: it could not be made now. */
  const attempt: Record<Kind, (n: number) => boolean> = {
    send(n) {
      const client = senders[n % senders.length];
      if (client === undefined || !ready.has(client) || client.closed) return false;
      unanswered += 1;
      client.send(
        `42${n}["send_message",{"conversation_id":"${conversationId}","content":"Me again"}]`,
      );
      return true;
    },
    event(n) {
      if (!ready.has(flooder) || flooder.closed) return false;
      flooder.send(`42${n}["typing_start",{"conversation_id":"${conversationId}"}]`);
      return true;
    },
    connection() {
      if (open.connection >= MAX_OPEN) return false;
      connectOnce('connection', userId, OPENING);
      return true;
    },
    handshake() {
      if (open.handshake >= MAX_OPEN) return false;
      connectOnce('handshake', 'nobody', FAILING);
      return true;
    },
    request() {
      if (open.request >= MAX_OPEN) return false;
      requestOnce();
      return true;
    },
  };

  const stopMeter = startMeter([]);
  const startedAt = performance.now();
  const due: Record<Kind, number> = { send: 0, event: 0, connection: 0, handshake: 0, request: 0 };
  const kinds = Object.keys(due) as Kind[];
  let elapsedMs = 0;
  while (!stop.aborted && elapsedMs < plan.maxMs && attempts < plan.maxAttempts) {
    for (const kind of kinds) {
      for (; due[kind] < (elapsedMs * plan.perSecond[kind]) / 1000; due[kind] += 1) {
        if (attempt[kind](due[kind])) attempts += 1;
      }
    }
    await after(TICK_MS);
    elapsedMs = performance.now() - startedAt;
  }
  const used = stopMeter();
  const underWay = () => unanswered + open.connection + open.handshake + open.request;
  const settled = performance.now() + SETTLE_MS;
  while (underWay() > 0 && performance.now() < settled) await after(20);
  if (underWay() > 0) faults.notes.push(`${underWay()} attempts of the abuser were never answered`);
  ended = true;
  for (const client of [...senders, flooder]) client.destroy();
  agent.destroy();
  return {
    used,
    done: attempts,
    delivered: 0,
    totalDone: outcomes['send accepted'] ?? 0,
    ackLatency: createLatency().read(),
    deliveryLatency: createLatency().read(),
    faults,
    outcomes,
  };
}

/** The code in a refusal, or the status of a handshake's. */
function codeOf(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'failed';
}
