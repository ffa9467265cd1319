/** A clock that is set back while connections are watched. */
import { expect, it } from 'vitest';
import { createTokenExpiry } from '../../src/delivery/token-expiry.ts';
import type { Socket } from '../../src/realtime/socket.ts';
import { waitFor } from '../support/wait.ts';

it('a token ends on time by a clock that was set back', async () => {
  let offMs = 3_600_000;
  const now = (): number => Date.now() + offMs;
  const expiry = createTokenExpiry(now);
  try {
    offMs = 0;
    const ended: string[] = [];
    const watch = (name: string, lifeMs: number): void => {
      const socket: Pick<Socket, 'disconnect' | 'sendFrame'> = {
        disconnect: () => void ended.push(name),
        sendFrame: () => undefined,
      };
      expiry.watch(socket as Socket, now() + lifeMs);
    };
    watch('first', 1_000);
    await waitFor(() => ended.length === 1, { what: 'the end of a token', timeoutMs: 5_000 });
    watch('second', 1_000);
    await waitFor(() => ended.length === 2, { what: 'the end of another', timeoutMs: 5_000 });
    expect(ended).toEqual(['first', 'second']);
  } finally {
    expiry.close();
  }
});
