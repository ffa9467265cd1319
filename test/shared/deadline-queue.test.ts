import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDeadlineQueue } from '../../src/shared/deadline-queue.ts';

const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

describe('a queue of deadlines', () => {
  it('hands out what is due, the earliest first, and each once', () => {
    const queue = createDeadlineQueue();
    queue.set(a, 30);
    queue.set(b, 10);
    queue.set(c, 20);
    expect([queue.nextAt(), queue.size]).toEqual([10, 3]);
    expect(queue.takeDue(9)).toBeUndefined();
    expect([queue.takeDue(20), queue.takeDue(20), queue.takeDue(20)]).toEqual([b, c, undefined]);
    expect([queue.has(a), queue.has(b), queue.size, queue.nextAt()]).toEqual([true, false, 1, 30]);
  });

  it('hands out what is due at the same time in the order in which that was said', () => {
    const queue = createDeadlineQueue();
    for (const item of [a, b, c]) queue.set(item, 10);
    queue.set(a, 10);
    expect([queue.takeDue(10), queue.takeDue(10), queue.takeDue(10)]).toEqual([b, c, a]);
  });

  it('forgets what is called off, and names the others in the order in which they came', () => {
    const queue = createDeadlineQueue();
    for (const item of [a, b, c]) queue.set(item, 10);
    expect([queue.delete(b), queue.delete(b)]).toEqual([true, false]);
    expect([...queue.items()]).toEqual([a, c]);
    queue.clear();
    expect([queue.size, queue.nextAt(), queue.takeDue(10)]).toEqual([0, undefined, undefined]);
  });

  it('does what a sorted list would do', () => {
    const items = Array.from({ length: 50 }, (_, name) => ({ name }));
    const at = fc.integer({ min: 0, max: 40 });
    const who = fc.constantFrom(...items);
    const anyStep = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant('set' as const), who, at) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), who, at) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('take' as const), who, at) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('next' as const), who, at) },
    );
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 400, size: 'max' }), (steps) => {
        const queue = createDeadlineQueue<{ name: number }>();
        let list: { item: { name: number }; at: number }[] = [];
        const earliest = () =>
          list.reduce<(typeof list)[number] | undefined>(
            (first, entry) => (first === undefined || entry.at < first.at ? entry : first),
            undefined,
          );
        const without = (item: object) => list.filter((entry) => entry.item !== item);
        for (const [step, item, time] of steps) {
          const was = list.some((entry) => entry.item === item);
          if (step === 'set') {
            queue.set(item, time);
            list = [...without(item), { item, at: time }];
          } else if (step === 'delete') {
            expect(queue.delete(item)).toBe(was);
            list = without(item);
          } else if (step === 'take') {
            const first = earliest();
            const due = first !== undefined && first.at <= time ? first.item : undefined;
            expect(queue.takeDue(time)).toBe(due);
            if (due !== undefined) list = without(due);
          } else {
            expect(queue.nextAt()).toBe(earliest()?.at);
          }
          expect(queue.size).toBe(list.length);
          expect(new Set(queue.items())).toEqual(new Set(list.map((entry) => entry.item)));
        }
        for (let first = earliest(); first !== undefined; first = earliest()) {
          expect(queue.takeDue(40)).toBe(first.item);
          list = without(first.item);
        }
        expect(queue.takeDue(40)).toBeUndefined();
      }),
    );
  });
});
