/** What a message that is stored is told to whom. */
import { expect, it } from 'vitest';
import { createMessages } from '../../src/chat/messages.ts';
import type { Events, Store } from '../../src/chat/ports.ts';
import type { PersonalWork } from '../../src/chat/work.ts';
import { foldId } from '../../src/shared/ids.ts';

const userId = foldId('00000000-0000-4000-8000-00000000000a');
const conversationId = foldId('00000000-0000-4000-8000-0000000000c0');

it('a message whose acknowledgement fails is announced all the same, after it', async () => {
  const seen: string[] = [];
  const messages = createMessages({
    store: {
      appendMessage: async () => ({ outcome: 'stored', message: {}, membersVersion: 1 }),
    } as unknown as Store,
    events: { messageStored: () => void seen.push('told') } as unknown as Events,
    contentRules: { maxContentLength: 10, sanitizeHtml: 'none' },
    sendLimit: null,
    work: {} as PersonalWork,
  });
  const actor = { kind: 'user', userId, expiresAtMs: null } as const;
  const sending = messages.send(actor, conversationId, { content: 'Hi' }, () => {
    seen.push('acknowledged');
    throw new Error('the way is broken');
  });
  await expect(sending).rejects.toThrow('the way is broken');
  expect(seen).toEqual(['acknowledged', 'told']);
});
