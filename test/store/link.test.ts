/** One connection, where even connecting goes wrong in the turn in which it is asked for. */
import dns from 'node:dns';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { DatabaseUnavailable, openLink } from '../../src/store/link.ts';
import { freePort } from '../support/ports.ts';
import { once } from '../support/wait.ts';

/** Nobody may connect to the broadcast address: the kernel says so at once, without a packet. */
const NOT_TO_BE_CALLED = 'postgres://postgres@255.255.255.255:5432/postgres';
/** Far less than the deadline: the failure is told, not waited for. */
const AT_ONCE_MS = 2_000;
const DEADLINE_MS = 10_000;

async function failure(url: string): Promise<{ error: unknown; tookMs: number; gone: boolean }> {
  const link = openLink({
    url,
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
    const { error, tookMs, gone } = await failure(NOT_TO_BE_CALLED);
    expect(error).toBeInstanceOf(DatabaseUnavailable);
    expect(error).toMatchObject({ reason: 'refused', cause: { syscall: 'connect' } });
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
    expect(gone).toBe(true);
  });
});

describe('connecting that fails in words of its own', () => {
  it('at each of several addresses of one name is unavailable', async () => {
    const port = await freePort();
    vi.spyOn(dns, 'lookup').mockImplementation(((...args: unknown[]) => {
      const found = [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ];
      setImmediate(args.at(-1) as (...found: unknown[]) => void, null, found);
    }) as typeof dns.lookup);
    const { error } = await failure(`postgres://postgres@several.invalid:${port}/postgres`);
    vi.restoreAllMocks();
    expect(error).toMatchObject({ reason: 'refused', cause: { code: 'ECONNREFUSED' } });
  });

  it('within the TLS handshake is unavailable', async () => {
    const server = createServer((socket) => {
      // Yes to TLS, and then nothing.
      socket.once('data', () => socket.write('S', () => socket.once('data', () => socket.end())));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=require`;
    const { error, gone } = await failure(url);
    server.close();
    expect(error).toMatchObject({ reason: 'refused', cause: { code: 'ECONNRESET' } });
    expect(gone).toBe(true);
  });
});
