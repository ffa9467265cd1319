import { expect, it } from 'vitest';
import { within } from '../../src/shared/deadline.ts';

it('work that fails has ended too, and its error is nobody’s', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  // The test runner's own would fail the run, whatever is expected here.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
  try {
    await within(Promise.reject(new Error('failed')), 60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
    for (const listener of others) process.on('unhandledRejection', listener);
  }
});

it('work that does not end is left behind', async () => {
  await expect(within(new Promise(() => undefined), 1)).resolves.toBeUndefined();
});
