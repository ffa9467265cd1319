/**
 * People who talk: conversations of two to five, each person with one or two devices spread over
 * the nodes, senders over both doors, readers, and people who try to listen where they have no part.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConversation, createPerson, type TestPerson } from '../support/people.ts';
import { waitFor } from '../support/wait.ts';
import { call } from './answers.ts';
import type { Cluster } from './cluster.ts';
import { createDevice, type Device } from './device.ts';
import { createHistory, type History } from './history.ts';
import type { Random } from './random.ts';
import { createSender, type Sender } from './sender.ts';

export interface WorkloadSize {
  people: number;
  conversations: number;
  /** Pause of a sender between two messages, at most. */
  maxPauseMs: number;
}

const defaultSize: WorkloadSize = { people: 7, conversations: 5, maxPauseMs: 160 };

export interface TalkedIn {
  id: string;
  people: TestPerson[];
}

export interface Workload {
  readonly history: History;
  readonly conversations: readonly TalkedIn[];
  readonly devices: readonly Device[];
  /** Whether everybody has joined and heard something, in time. */
  warm(): Promise<boolean>;
  /** Adds or removes a participant over REST, again until it is answered. */
  changeMember(action: 'added' | 'removed', conversationId: string, userId: string): Promise<void>;
  /** Orders over REST that a person's connections be ended, once. */
  disconnect(userId: string): Promise<void>;
  /** Ends the talking; resolves when every send has its answer. */
  quiet(): Promise<void>;
  /** Waits until every device has heard everything; gives up silently: the checker will say. */
  settle(timeoutMs: number): Promise<void>;
  close(): void;
}

/** Most connect as a WebSocket at once, some upgrade to it, some never do. */
const transports: ('polling' | 'websocket')[][] = [
  ['websocket'],
  ['websocket'],
  ['websocket'],
  ['polling', 'websocket'],
  ['polling'],
];
const WARM_TIMEOUT_MS = 30_000;
const REST_TIMEOUT_MS = 9_000;

export async function startWorkload(options: {
  cluster: Cluster;
  random: Random;
  size?: Partial<WorkloadSize>;
}): Promise<Workload> {
  const { cluster, random } = options;
  const size = { ...defaultSize, ...options.size };
  const history = createHistory();
  const urls = cluster.nodes.map(({ process }) => process.url);
  const run = randomUUID().slice(0, 8);
  const people: TestPerson[] = [];
  for (let n = 0; n < size.people; n += 1) people.push(await createPerson(cluster.sql, `P${n}`));
  const outsider = await createPerson(cluster.sql, 'Outsider');
  const conversations: TalkedIn[] = [];
  for (let n = 0; n < size.conversations; n += 1) {
    const inIt = random.shuffled(people).slice(0, random.between(2, 5));
    conversations.push({ id: await createConversation(cluster.sql, inIt), people: inIt });
  }

  function deviceOf(person: TestPerson, number: number): Device {
    const device = createDevice({
      name: `${person.name}/${number}`,
      userId: person.id,
      conversations: conversations
        .filter((conversation) => conversation.people.includes(person))
        .map(({ id }) => id),
      urls,
      transports: random.pick(transports),
      random: random.fork(),
    });
    history.devices.push(device.log);
    return device;
  }
  const devices: Device[] = [];
  for (const person of people) {
    for (let n = 0; n < (random.chance(0.4) ? 2 : 1); n += 1) devices.push(deviceOf(person, n));
  }
  const stranger = deviceOf(outsider, 0);

  let talking = true;
  const work: Promise<void>[] = [];
  for (const device of devices) {
    const sender = createSender({ history, urls, random: random.fork() });
    work.push(talk(device, sender, random.fork()), read(device, random.fork()));
  }
  for (const device of [stranger, ...devices.slice(0, 2)]) {
    const sender = createSender({ history, urls, random: random.fork() });
    work.push(intrude(device, sender, random.fork()));
  }

  async function talk(device: Device, sender: Sender, chance: Random): Promise<void> {
    const mine = device.log.joins;
    for (let n = 1; talking && mine.length > 0; n += 1) {
      await sleep(chance.between(5, size.maxPauseMs));
      const key = chance.chance(0.9) ? `${run} ${device.log.name} ${n}` : null;
      const content = `${run} ${device.log.name} ${n}`;
      const conversationId = chance.pick(mine);
      const send = await sender.send(device, { conversationId, content, key });
      const stored = send.attempts.at(-1)?.outcome === 'ok';
      if (!stored || key === null) continue;
      if (chance.chance(0.05)) await sender.repeat(send);
      else if (chance.chance(0.03)) await sender.contradict(send);
    }
  }

  async function read(device: Device, chance: Random): Promise<void> {
    const { userId, joins } = device.log;
    while (talking && joins.length > 0) {
      await sleep(chance.between(100, 600));
      const conversationId = chance.pick(joins);
      const upToSeq = device.head(conversationId) ?? 0;
      const mark = {
        conversationId,
        userId,
        upToSeq,
        invokedAt: performance.now(),
        endedAt: Number.POSITIVE_INFINITY,
        lastReadSeq: null as number | null,
      };
      history.marks.push(mark);
      const payload = { conversation_id: conversationId, up_to_seq: upToSeq };
      const answer = await device.ask('mark_read', payload, REST_TIMEOUT_MS);
      mark.endedAt = performance.now();
      if (answer?.success) mark.lastReadSeq = Number(answer.data.last_read_seq);
    }
  }

  /** Tries to hear, read and say something where it takes no part. */
  async function intrude(device: Device, sender: Sender, chance: Random): Promise<void> {
    const { userId, joins, events } = device.log;
    const foreign = conversations.filter(({ id }) => !joins.includes(id));
    for (let n = 1; talking && foreign.length > 0; n += 1) {
      await sleep(chance.between(200, 500));
      const { id } = chance.pick(foreign);
      const url = `${chance.pick(urls)}/messages/${id}`;
      const page = await call(url, { method: 'GET', userId, timeoutMs: REST_TIMEOUT_MS });
      const shownUpTo = page?.success === true ? Number(page.data.total) : null;
      history.readings.push({ conversationId: id, userId, at: performance.now(), shownUpTo });
      const joined = await device.ask('join_conversation', { conversation_id: id }, 9_000);
      if (joined?.success === true) {
        events.push({
          at: performance.now(),
          kind: 'joined',
          conversationId: id,
          lastSeq: Number(joined.data.last_seq),
          resync: false,
        });
      }
      const content = `${run} intruder ${device.log.name} ${n}`;
      await sender.send(device, { conversationId: id, content, key: content });
    }
  }

  const caughtUp = async (): Promise<boolean> => {
    const rows = await cluster.sql<{ id: string; last_seq: string; people: string[] }[]>`
      SELECT c.id, c.last_seq, array_agg(p.participant_id::text) AS people
      FROM messaging.conversations c
      JOIN messaging.conversation_participants p ON p.conversation_id = c.id
      WHERE c.id = ANY(${conversations.map(({ id }) => id)}::uuid[]) GROUP BY c.id`;
    return rows.every((row) =>
      devices.every(({ log, head, hears }) => {
        if (!log.joins.includes(row.id) || !row.people.includes(log.userId)) return true;
        return hears(row.id) && head(row.id) === Number(row.last_seq);
      }),
    );
  };

  return {
    history,
    conversations,
    devices,

    warm: () =>
      waitFor(
        () =>
          history.devices.every(({ joins, events }) =>
            joins.every((id) =>
              events.some((event) => event.kind === 'message' && event.conversationId === id),
            ),
          ),
        { timeoutMs: WARM_TIMEOUT_MS, what: 'everybody to hear something' },
      ).then(
        () => true,
        () => false,
      ),

    async changeMember(action, conversationId, userId) {
      const change = {
        action,
        conversationId,
        userId,
        invokedAt: performance.now(),
        ackedAt: null as number | null,
      };
      history.membership.push(change);
      const path = `/messages/${conversationId}/participants/${userId}`;
      const method = action === 'added' ? 'PUT' : 'DELETE';
      await waitFor(
        async () => {
          const url = random.pick(urls) + path;
          const answer = await call(url, { method, timeoutMs: REST_TIMEOUT_MS });
          return answer?.success === true;
        },
        { timeoutMs: WARM_TIMEOUT_MS, what: `a participant to be ${action}`, intervalMs: 100 },
      );
      change.ackedAt = performance.now();
    },

    async disconnect(userId) {
      const order = { userId, invokedAt: performance.now(), ackedAt: null as number | null };
      history.orders.push(order);
      const url = `${random.pick(urls)}/messages/users/${userId}/disconnect`;
      const answer = await call(url, { method: 'POST', timeoutMs: REST_TIMEOUT_MS });
      if (answer?.success === true) order.ackedAt = performance.now();
    },

    async quiet() {
      talking = false;
      await Promise.all(work);
    },

    async settle(timeoutMs) {
      await waitFor(caughtUp, { timeoutMs, what: 'everybody to catch up', intervalMs: 50 }).catch(
        () => undefined,
      );
    },

    close() {
      for (const device of [...devices, stranger]) device.close();
    },
  };
}
