/** All the rules, wired to one store and one audience: what both doors call. */
import type { ContentRules } from './content.ts';
import { createConversations } from './conversations.ts';
import { createCursors } from './cursors.ts';
import { createMembership } from './membership.ts';
import { createMessages } from './messages.ts';
import type { Clock, Events, Store, UserLimit } from './ports.ts';
import { createTyping } from './typing.ts';
import type { PersonalWork } from './work.ts';

export interface ChatDeps {
  store: Store;
  events: Events;
  clock: Clock;
  contentRules: ContentRules;
  /** Messages one person may send; null: as many as they like. Services are not limited, here and below. */
  sendLimit: UserLimit | null;
  /** How many people may be told of what one person does to conversations; null: as many as there are. */
  fanOutLimit: UserLimit | null;
  work: PersonalWork;
}

/** All the rules on one store and one audience; made once for each process. */
export function createChat(deps: ChatDeps) {
  const { store, events, clock, contentRules, sendLimit, fanOutLimit, work } = deps;
  const membership = createMembership({ store, work });
  return {
    membership,
    messages: createMessages({ store, events, contentRules, sendLimit, work }),
    conversations: createConversations({ store, events, fanOutLimit, work }),
    cursors: createCursors({ store, events, work }),
    typing: createTyping({ membership, events, clock }),
  };
}

export type Chat = ReturnType<typeof createChat>;
