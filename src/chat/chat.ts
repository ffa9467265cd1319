/** All the rules, wired to one store and one audience: what both doors call. */
import type { ContentRules } from './content.ts';
import { createConversations } from './conversations.ts';
import { createCursors } from './cursors.ts';
import { createMembership } from './membership.ts';
import { createMessages } from './messages.ts';
import type { Clock, Events, Store } from './ports.ts';
import { createTyping } from './typing.ts';

export interface ChatDeps {
  store: Store;
  events: Events;
  clock: Clock;
  contentRules: ContentRules;
}

export function createChat({ store, events, clock, contentRules }: ChatDeps) {
  const membership = createMembership({ store });
  return {
    membership,
    messages: createMessages({ store, events, contentRules }),
    conversations: createConversations({ store, events }),
    cursors: createCursors({ store, events }),
    typing: createTyping({ membership, events, clock }),
  };
}

export type Chat = ReturnType<typeof createChat>;
