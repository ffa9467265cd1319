/** One connection, where even connecting goes wrong in the turn in which it is asked for. */
import { describe, expect, it } from 'vitest';
import { DatabaseUnavailable, openLink } from '../../src/store/link.ts';

/** Nobody may connect to the broadcast address: the kernel says so at once, without a packet. */
const NOT_TO_BE_CALLED = 'postgres://postgres@255.255.255.255:5432/postgres';
/** Far less than the deadline: the failure is told, not waited for. */
const AT_ONCE_MS = 2_000;
const DEADLINE_MS = 10_000;

async function failure(): Promise<{ error: unknown; tookMs: number; gone: boolean }> {
  const link = openLink({
    url: NOT_TO_BE_CALLED,
    applicationName: 'messaging-test',
    connectTimeoutMs: DEADLINE_MS,
    statementTimeoutMs: DEADLINE_MS,
    idleInTransactionTimeoutMs: DEADLINE_MS,
    lockTimeoutMs: 0,
    onGone: () => undefined,
  });
  const begun = performance.now();
  const error = await link
    .run((sql) => sql`SELECT 1`, DEADLINE_MS)
    .catch((cause: unknown) => cause);
  return { error, tookMs: performance.now() - begun, gone: link.isGone() };
}

describe('connecting that fails in the same turn', () => {
  // Which of the turn's queues runs first differs; an error that nobody hears fails this test file.
  const turns: [string, () => Promise<void>][] = [
    ['a timer', () => new Promise((resolve) => setTimeout(resolve, 1))],
    ['a settled promise', () => Promise.resolve()],
    ['the end of the turn', () => new Promise((resolve) => process.nextTick(resolve))],
    ['an immediate', () => new Promise((resolve) => setImmediate(resolve))],
  ];
  it.each(turns)('after %s costs the one call, at once, with its reason', async (_name, turn) => {
    await turn();
    const { error, tookMs, gone } = await failure();
    expect(error).toBeInstanceOf(DatabaseUnavailable);
    expect(error).toMatchObject({ reason: 'refused', cause: { syscall: 'connect' } });
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
    expect(gone).toBe(true);
  });
});
