import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSubscriptions, type SubscribingLink } from '../../src/bus/redis-subscriptions.ts';

/** A Redis that answers each command when it is told to, and remembers what it was asked. */
function createFakeLink() {
  const heard = new Set<string>();
  const waiting: { run: () => void; fail: (error: Error) => void }[] = [];
  let largest = 0;
  let underWay = 0;
  function command(names: string[], apply: (name: string) => void): Promise<void> {
    largest = Math.max(largest, names.length);
    underWay += 1;
    return new Promise((resolve, reject) => {
      waiting.push({
        run() {
          underWay -= 1;
          for (const name of names) apply(name);
          resolve();
        },
        fail: reject,
      });
    });
  }
  const link: SubscribingLink = {
    subscribe: (names) => command(names, (name) => heard.add(name)),
    unsubscribe: (names) => command(names, (name) => heard.delete(name)),
  };
  return {
    link,
    heard,
    largest: () => largest,
    underWay: () => underWay,
    answer: () => waiting.shift()?.run(),
    breakOff() {
      for (const one of waiting.splice(0)) one.fail(new Error('gone'));
    },
  };
}

function create(timeoutMs = 60_000, onLate: () => void = () => undefined) {
  return createSubscriptions({ channelOf: (topic) => topic, timeoutMs, chunkTopics: 3, onLate });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

type Action = ['want' | 'unwant', string] | ['answer' | 'turn' | 'relink'];

const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant('want' as const), names) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('unwant' as const), names) },
    { weight: 3, arbitrary: fc.constant(['answer'] satisfies Action) },
    { weight: 3, arbitrary: fc.constant(['turn'] satisfies Action) },
    { weight: 1, arbitrary: fc.constant(['relink'] satisfies Action) },
  ),
  { maxLength: 60 },
);

describe('the wishes of a node', () => {
  test('the last one wins, whatever overtakes what, over any number of links', async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (steps) => {
        const subscriptions = create();
        const wanted = new Set<string>();
        const promises: Promise<unknown>[] = [];
        let fake = createFakeLink();
        subscriptions.attach(fake.link).catch(() => undefined);
        for (const [what, name] of steps) {
          if (what === 'want' && name !== undefined) {
            wanted.add(name);
            const inForce = subscriptions.want(name).then(
              // Resolved means in force on the link there is, unless it was unwanted since.
              () => wanted.has(name) && expect(fake.heard.has(name)).toBe(true),
              (error: Error) => expect(error.message).toMatch(/unsubscribed/),
            );
            promises.push(inForce);
          } else if (what === 'unwant' && name !== undefined) {
            wanted.delete(name);
            subscriptions.unwant(name);
          } else if (what === 'answer') {
            fake.answer();
            await Promise.resolve();
          } else if (what === 'relink') {
            await turn();
            subscriptions.detach();
            fake.breakOff();
            fake = createFakeLink();
            subscriptions.attach(fake.link).catch(() => undefined);
          } else {
            await turn();
          }
          for (const topic of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
            expect(subscriptions.has(topic)).toBe(wanted.has(topic));
          }
          // One SUBSCRIBE and one UNSUBSCRIBE at most.
          expect(fake.underWay()).toBeLessThanOrEqual(2);
        }
        for (let rest = 0; rest < 40; rest += 1) {
          await turn();
          fake.answer();
        }
        await turn();
        await Promise.all(promises);
        expect([...fake.heard].sort()).toEqual([...wanted].sort());
        expect(subscriptions.size()).toBe(wanted.size);
        expect(fake.largest()).toBeLessThanOrEqual(3);
        subscriptions.close();
      }),
      { numRuns: 300 },
    );
  });

  test('pile up nowhere while there is no link', async () => {
    const subscriptions = create();
    for (let index = 0; index < 1000; index += 1) {
      const refused = subscriptions.want(`room ${index}`);
      subscriptions.unwant(`room ${index}`);
      await expect(refused).rejects.toThrow('unsubscribed');
    }
    expect(subscriptions.size()).toBe(0);
  });

  test('one that was reported as failed and comes true after all is reported as late', async () => {
    let late = 0;
    const subscriptions = create(20, () => {
      late += 1;
    });
    const fake = createFakeLink();
    await subscriptions.attach(fake.link);
    await expect(subscriptions.want('room')).rejects.toThrow('not subscribed within 20 ms');
    expect(late).toBe(0);
    fake.answer();
    await turn();
    expect(late).toBe(1);
    await subscriptions.want('room');
    subscriptions.close();
  });

  test('do not keep a new link from coming up, however fast they come in', async () => {
    const subscriptions = create();
    const first = subscriptions.want('first').catch(() => undefined);
    const fake = createFakeLink();
    let attached = false;
    const attaching = subscriptions.attach(fake.link).then(() => {
      attached = true;
    });
    const more: Promise<unknown>[] = [];
    for (let index = 0; index < 50 && !attached; index += 1) {
      more.push(subscriptions.want(`room ${index}`).catch(() => undefined));
      fake.answer();
      await turn();
    }
    expect(attached).toBe(true);
    expect(more.length).toBeLessThan(5);
    await attaching;
    subscriptions.close();
    await Promise.all([first, ...more]);
  });
});
