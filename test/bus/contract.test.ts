/** What bus.ts promises, held against every implementation. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import { waitFor } from '../support/wait.ts';
import { twins } from './twins.ts';

interface Heard {
  topic: string;
  text: string;
}

describe.each(twins)('the %s bus', (_name, twin) => {
  const open: Bus[] = [];
  beforeAll(() => twin.start());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((bus) => bus.close()));
  });
  afterAll(() => twin.stop());

  async function nodes(...ids: string[]): Promise<Bus[]> {
    const make = twin.deployment();
    const made = ids.map((id) => make(id));
    open.push(...made);
    await waitFor(() => made.every((bus) => bus.status().ok), { what: 'every node to be up' });
    return made;
  }

  async function pair(): Promise<[Bus, Bus]> {
    const [a, b] = await nodes('node-a', 'node-b');
    if (a === undefined || b === undefined) throw new Error('two nodes were asked for');
    return [a, b];
  }

  function record(bus: Bus): Heard[] {
    const heard: Heard[] = [];
    bus.onMessage((topic, payload) => heard.push({ topic, text: text(payload) }));
    return heard;
  }

  /** Everything `from` published before has arrived at `to`, or never will. */
  async function fence(from: Bus, to: Bus, heard: Heard[]): Promise<void> {
    await to.subscribe('fence');
    from.publish('fence', bytes('fence'));
    await waitFor(() => heard.some((one) => one.topic === 'fence'), { what: 'the fence' });
    heard.splice(
      heard.findIndex((one) => one.topic === 'fence'),
      1,
    );
  }

  test('says that it works, and of which kind it is', async () => {
    const [a] = await pair();
    expect(a.status()).toEqual({ ok: true, kind: twin.kind });
    expect(a.nodeId).toBe('node-a');
  });

  test('nodes on another database neither hear nor are heard, until they are on the same', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    await b.subscribe('room');
    a.enterEpoch('after');
    await waitFor(() => a.status().ok, { what: 'the node under its new names' });
    a.publish('room', bytes('another database'));
    b.enterEpoch('after');
    await waitFor(() => b.status().ok, { what: 'the other one, too' });
    await b.subscribe('room');
    await fence(a, b, heard);
    a.publish('room', bytes('the same'));
    await waitFor(() => heard.length > 0, { what: 'a payload' });
    expect(heard).toEqual([{ topic: 'room', text: 'the same' }]);
  });

  test('hands a payload to every other node that is subscribed', async () => {
    const [a, b, c, d] = await nodes('a', 'b', 'c', 'd');
    if (!a || !b || !c || !d) throw new Error('four nodes were asked for');
    const [atB, atC, atD] = [record(b), record(c), record(d)];
    await Promise.all([b.subscribe('room'), c.subscribe('room'), d.subscribe('other room')]);
    a.publish('room', bytes('hello'));
    for (const [node, heard] of [[b, atB] as const, [c, atC] as const]) {
      await fence(a, node, heard);
      expect(heard).toEqual([{ topic: 'room', text: 'hello' }]);
    }
    await fence(a, d, atD);
    expect(atD).toEqual([]);
  });

  test('does not hand a node its own payloads', async () => {
    const [a, b] = await pair();
    const [atA, atB] = [record(a), record(b)];
    await Promise.all([a.subscribe('room'), b.subscribe('room')]);
    a.publish('room', bytes('mine'));
    await fence(a, b, atB);
    b.publish('room', bytes('yours'));
    await fence(b, a, atA);
    expect(atA).toEqual([{ topic: 'room', text: 'yours' }]);
    expect(atB).toEqual([{ topic: 'room', text: 'mine' }]);
  });

  test('keeps the order of one publisher on one topic, over many turns and batches', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    await b.subscribe('room');
    const sent: string[] = [];
    for (let turn = 0; turn < 20; turn += 1) {
      for (let index = 0; index < 100; index += 1) {
        // Some fill a batch, some are larger than one, most are small.
        const size = index === 50 ? 100_000 : index % 10 === 0 ? 9_000 : 20;
        const payload = `${turn}.${index} `.padEnd(size, 'x');
        sent.push(payload);
        a.publish('room', bytes(payload));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor(() => heard.length >= sent.length, { what: 'all 2000 payloads' });
    expect(heard.map((one) => one.text)).toEqual(sent);
  });

  test('hears everything published after subscribe has resolved', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    const topics = Array.from({ length: 700 }, (_, index) => `room ${index}`);
    await Promise.all(
      topics.map(async (topic) => {
        await b.subscribe(topic);
        a.publish(topic, bytes(topic));
      }),
    );
    await waitFor(() => heard.length >= topics.length, { what: 'one payload for each topic' });
    expect(heard.map((one) => one.text).sort()).toEqual(topics.sort());
  });

  test('hears a topic once however often it was subscribed', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    await Promise.all([b.subscribe('room'), b.subscribe('room')]);
    await b.subscribe('room');
    a.publish('room', bytes('once'));
    await fence(a, b, heard);
    expect(heard).toEqual([{ topic: 'room', text: 'once' }]);
  });

  test('hears nothing of a topic after unsubscribe, which may be repeated', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    b.unsubscribe('never subscribed');
    await b.subscribe('room');
    a.publish('room', bytes('on its way'));
    b.unsubscribe('room');
    b.unsubscribe('room');
    a.publish('room', bytes('too late'));
    await fence(a, b, heard);
    expect(heard).toEqual([]);
  });

  test('does what was wished last when wishes overtake each other', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    const wished = [b.subscribe('kept'), b.subscribe('left')];
    b.unsubscribe('kept');
    b.unsubscribe('left');
    wished.push(b.subscribe('kept'));
    const settled = await Promise.allSettled(wished);
    expect(settled[2]?.status).toBe('fulfilled');
    a.publish('kept', bytes('kept'));
    a.publish('left', bytes('left'));
    await fence(a, b, heard);
    expect(heard).toEqual([{ topic: 'kept', text: 'kept' }]);
  });

  test('delivers later, never inside publish', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    await b.subscribe('room');
    a.publish('room', bytes('hello'));
    expect(heard).toEqual([]);
    await fence(a, b, heard);
    expect(heard).toHaveLength(1);
  });

  test('lets the publisher reuse its buffer and the receiver keep its bytes', async () => {
    const [a, b] = await pair();
    const kept: Uint8Array[] = [];
    b.onMessage((_topic, payload) => kept.push(payload));
    await b.subscribe('room');
    const buffer = Buffer.alloc(300);
    for (let round = 0; round < 250; round += 1) {
      buffer.fill(round);
      a.publish('room', buffer);
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    buffer.fill(255);
    await waitFor(() => kept.length === 250, { what: 'all payloads' });
    for (const [round, payload] of kept.entries()) {
      expect(Buffer.from(payload).equals(Buffer.alloc(300, round))).toBe(true);
    }
  });

  test('carries any bytes on any topic', async () => {
    const [a, b] = await pair();
    const heard: { topic: string; payload: number[] }[] = [];
    b.onMessage((topic, payload) => heard.push({ topic, payload: [...payload] }));
    const topic = fc.string({ unit: 'grapheme', maxLength: 40 });
    const cases = fc.array(fc.tuple(topic, fc.uint8Array({ maxLength: 500 })), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(cases, async (sent) => {
        heard.length = 0;
        const odd: [string, Uint8Array][] = [
          ...sent,
          ['__proto__', new Uint8Array(0)],
          ['line\r\nbreak', bytes('\r\n\0\n')],
        ];
        await Promise.all(odd.map(([name]) => b.subscribe(name)));
        for (const [name, payload] of odd) a.publish(name, payload);
        await waitFor(() => heard.length === odd.length, { what: 'every payload', intervalMs: 1 });
        expect(heard).toEqual(
          odd.map(([name, payload]) => ({ topic: name, payload: [...payload] })),
        );
        for (const [name] of odd) b.unsubscribe(name);
      }),
      { numRuns: 25 },
    );
  });

  test('has one receiver: the last one set', async () => {
    const [a, b] = await pair();
    const first = record(b);
    const second = record(b);
    await b.subscribe('room');
    a.publish('room', bytes('hello'));
    await fence(a, b, second);
    expect(first).toEqual([]);
    expect(second).toHaveLength(1);
  });

  test('does not lose what was published just before close, even if it is megabytes', async () => {
    const [a, b] = await pair();
    const heard = record(b);
    await b.subscribe('room');
    const sent = Array.from({ length: 2000 }, (_, index) => String(index).padEnd(4000, '.'));
    for (const payload of sent) a.publish('room', bytes(payload));
    await a.close();
    await waitFor(() => heard.length === sent.length, { what: 'all 2000 payloads' });
    expect(heard.map((one) => one.text)).toEqual(sent);
  });

  test('after close delivers nothing, refuses to subscribe, and says so', async () => {
    const [a, b, witness] = await nodes('a', 'b', 'witness');
    if (!a || !b || !witness) throw new Error('three nodes were asked for');
    const heard = record(b);
    const witnessed = record(witness);
    await Promise.all([b.subscribe('room'), witness.subscribe('room')]);
    a.publish('room', bytes('on its way'));
    const closing = b.close();
    const atClose = heard.length;
    await closing;
    await b.close();
    a.publish('room', bytes('too late'));
    b.publish('room', bytes('into the void'));
    b.unsubscribe('room');
    await expect(b.subscribe('room')).rejects.toThrow('closed');
    expect(b.status()).toEqual({ ok: false, kind: twin.kind, reason: 'closed' });
    await fence(a, witness, witnessed);
    expect(witnessed.map((one) => one.text)).toEqual(['on its way', 'too late']);
    expect(heard).toHaveLength(atClose);
  });

  test('reports no gap while nothing goes wrong', async () => {
    const [a, b] = await pair();
    let gaps = 0;
    for (const bus of [a, b]) bus.onGap(() => (gaps += 1));
    const heard = record(b);
    await b.subscribe('room');
    for (let index = 0; index < 50; index += 1) a.publish('room', bytes(String(index)));
    await fence(a, b, heard);
    expect(heard).toHaveLength(50);
    expect(gaps).toBe(0);
  });
});

function bytes(value: string): Uint8Array {
  return Buffer.from(value, 'latin1');
}

function text(payload: Uint8Array): string {
  return Buffer.from(payload).toString('latin1');
}
