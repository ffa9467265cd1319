/** A token that is verified only after its connection has gone leaves nothing behind. */
import { expect, it, vi } from 'vitest';
import type { Actor } from '../../src/chat/ports.ts';
import type { ChatSocket, CommandsDeps } from '../../src/delivery/commands.ts';
import { createCommands } from '../../src/delivery/commands.ts';
import { newId } from '../../src/shared/ids.ts';

/** Refreshes the token of a socket that may go while the token is verified. */
async function refresh({ goesMeanwhile }: { goesMeanwhile: boolean }) {
  const actor: Actor = { kind: 'user', userId: newId(), expiresAtMs: 5_000 };
  const watch = vi.fn();
  const socket = {
    id: 'one',
    connected: true,
    data: { actor, address: '', refusedTokens: 0, running: 0, onIdle: null },
    sendFrame: vi.fn(),
  };
  const authenticate = async (): Promise<Actor> => {
    socket.connected = !goesMeanwhile;
    return { ...actor, expiresAtMs: 9_000 };
  };
  const deps = {
    chat: {},
    joining: {},
    doorkeeper: { identify: authenticate },
    tokenExpiry: { watch },
    log: { error: vi.fn() },
  };
  const ack = Object.assign(vi.fn(), { json: vi.fn() });
  await createCommands(deps as unknown as CommandsDeps).dispatch(
    socket as unknown as ChatSocket,
    'refresh_token',
    [{ token: 'any' }],
    ack,
  );
  return { watch, socket };
}

it('watches the new end of a connection that is there', async () => {
  const { watch, socket } = await refresh({ goesMeanwhile: false });
  expect(watch).toHaveBeenCalledExactlyOnceWith(socket, 9_000);
});

it('does not watch a connection that has gone meanwhile', async () => {
  const { watch } = await refresh({ goesMeanwhile: true });
  expect(watch).not.toHaveBeenCalled();
});
