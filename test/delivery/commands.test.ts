/** What a socket may have waiting while a join of it lasts. */
import { expect, it } from 'vitest';
import type { Doorkeeper } from '../../src/auth/doorkeeper.ts';
import type { Chat } from '../../src/chat/chat.ts';
import type { SentMessage } from '../../src/chat/schemas.ts';
import { type ChatSocket, createCommands } from '../../src/delivery/commands.ts';
import type { Joining } from '../../src/delivery/joining.ts';
import type { Ack } from '../../src/realtime/socket.ts';

const USER = '00000000-0000-4000-8000-00000000000a';
const CONVERSATION = '00000000-0000-4000-8000-0000000000c0';

interface Answer {
  success: boolean;
  error?: { code: string };
}

it('sends that wait for a join are bounded, and go out in order when it ends', async () => {
  let endJoin: () => void = () => undefined;
  const join = new Promise<void>((resolve) => {
    endJoin = resolve;
  });
  const stored: string[] = [];
  const commands = createCommands({
    chat: {
      messages: {
        async send(_actor, _id, input, acknowledge) {
          stored.push(input.content);
          acknowledge?.({} as SentMessage);
          return {} as SentMessage;
        },
      },
    } as Chat,
    joining: { underWay: () => join } as unknown as Joining,
    doorkeeper: {} as Doorkeeper,
    tokenExpiry: { watch: () => undefined, forget: () => undefined, close: () => undefined },
    eventLimit: null,
    log: { error: () => undefined },
  });
  const actor = { kind: 'user', userId: USER, expiresAtMs: null } as const;
  const data = { actor, address: '', refusedTokens: 0, running: 0, waitingSize: 0, onIdle: null };
  const socket = { id: 'one', data, sendFrame: () => undefined } as unknown as ChatSocket;

  const codes: string[] = [];
  const note = (answer: Answer) => codes.push(answer.error?.code ?? 'ok');
  const ack: Ack = Object.assign((answer: unknown) => note(answer as Answer), {
    json: (text: string) => note(JSON.parse(text)),
  });
  const sends = Array.from({ length: 1_000 }, (_, index) => {
    const content = `${index} `.padEnd(4_000, 'x');
    const payload = { conversation_id: CONVERSATION, content };
    return commands.dispatch(socket, 'send_message', [payload], ack);
  });
  await Promise.resolve();
  expect(data.waitingSize).toBeLessThanOrEqual(2_000_000);
  endJoin();
  await Promise.all(sends);
  expect(codes.filter((code) => code === 'unavailable').length).toBe(600);
  expect(stored.map((content) => Number(content.split(' ')[0]))).toEqual(
    Array.from({ length: 400 }, (_, index) => index),
  );
  expect(data).toMatchObject({ running: 0, waitingSize: 0 });
});
