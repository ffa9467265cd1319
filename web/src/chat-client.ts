/**
 * The reference client: how to talk to the service so that no message is lost or shown twice.
 *
 * - Every conversation is joined; at every connect again, with `after_seq`: what was missed is
 *   replayed before anything newer. Too far behind, or something is missing (`resync`): the window
 *   starts anew where the service says and history is read over REST.
 * - A message is taken when it is newer than the last one; known ones are dropped. Where positions are
 *   left out, their messages have been deleted: nothing else is left out without a `resync`.
 * - A message of one's own is sent again until it is acknowledged (sender.ts).
 */
import type { Conversation, ConversationSummary, Message } from 'messaging-service/events';
import { userOfToken } from './format.ts';
import { isRetryable, type LineState, openLine, pause } from './line.ts';
import { createOutbox, type KeptStorage } from './outbox.ts';
import { createReceipts } from './receipts.ts';
import { createRest, type Identity } from './rest.ts';
import { createSender } from './sender.ts';
import { hear, newThread, type Outgoing, prepend, restart, type Thread, trim } from './thread.ts';
import { onceATurn, oneAtATime } from './turns.ts';

const PAGE = 40;
const MAX_LIST_PAGES = 5;
/** Most messages kept of a conversation that is not looked at. */
const MAX_WINDOW = 400;

export interface ChatClientDeps {
  identity: Identity;
  storage: KeptStorage;
  /** Something has changed; called at most once in a turn. */
  onChange(): void;
  /** There is a new token; the old one is about to be worthless. */
  onRenewed?(identity: Identity): void;
  /** A message has come in live, for whoever reads it out. */
  onHeard?(thread: Thread, message: Message): void;
}

export function createChatClient(deps: ChatClientDeps) {
  let identity = deps.identity;
  const me = identity.userId;
  const rest = createRest(() => identity);
  const outbox = createOutbox(deps.storage, me);
  const kept = outbox.load();
  const threads = new Map<string, Thread>();
  /** Conversations that are looked at: their history is wanted. */
  const open = new Set<string>();
  let line: LineState = { phase: 'connecting' };
  let listed = false;
  let tokenExpiresAt: string | null = null;
  let closed = false;

  const changed = onceATurn(() => {
    if (!closed) deps.onChange();
  });
  const once = oneAtATime(changed);

  const socket = openLine(
    () => identity,
    (state) => {
      line = state;
      for (const thread of threads.values()) {
        thread.joined = false;
        thread.typing.clear();
      }
      changed();
      if (state.phase !== 'online') return;
      for (const thread of threads.values()) void join(thread);
      void refreshList();
    },
  );

  /** Runs `step` until it is done, the connection is another one, or everything is closed. */
  async function persist(step: () => Promise<'done' | 'again'>): Promise<void> {
    const connection = socket.id;
    for (let attempt = 0; ; attempt++) {
      if ((await step()) === 'done') return;
      await pause(attempt);
      if (closed || !socket.connected || socket.id !== connection) return;
    }
  }

  const parts = { socket, threads, once, changed };
  const sender = createSender({ ...parts, outbox });
  const receipts = createReceipts({ ...parts, rest, me });

  // ── The list ────────────────────────────────────────────────────────────────────────────────

  function refreshList(): Promise<void> {
    return persist(async () => {
      try {
        let cursor: string | null = null;
        for (let page = 0; page < MAX_LIST_PAGES; page++) {
          const { conversations, next } = await rest.conversations(cursor);
          for (const summary of conversations) take(summary);
          cursor = next;
          if (cursor === null) break;
        }
        listed = true;
        changed();
        return 'done';
      } catch {
        return 'again';
      }
    });
  }

  function take(summary: ConversationSummary | Conversation): Thread {
    let thread = threads.get(summary.id);
    if (thread === undefined) {
      thread = newThread(summary.id);
      thread.outgoing = kept.filter(({ conversation_id }) => conversation_id === summary.id);
      threads.set(summary.id, thread);
    }
    thread.participants = summary.participants;
    thread.createdAt = summary.created_at;
    if ('unread_count' in summary && !thread.joined) {
      thread.unread = summary.unread_count;
      thread.lastReadSeq = summary.last_read_seq;
    }
    if ('unread_count' in summary && thread.messages.length === 0) {
      thread.lastMessage = summary.last_message;
    }
    if (!thread.joined) void join(thread);
    changed();
    return thread;
  }

  function remove(id: string): void {
    threads.delete(id);
    open.delete(id);
    changed();
  }

  // ── Hearing ─────────────────────────────────────────────────────────────────────────────────

  function join(thread: Thread): Promise<void> {
    const { id } = thread;
    return once('join', `${id} ${socket.id}`, () =>
      persist(async () => {
        const asked = thread.head;
        const reply = await socket.ask(
          'join_conversation',
          { conversation_id: id, ...(asked === null ? {} : { after_seq: asked }) },
          (joined) => {
            // Before the next event: from here on it continues at last_seq.
            if (asked === null || joined.resync === true) restart(thread, joined.last_seq);
            thread.joined = true;
            thread.unread = joined.unread_count;
            thread.lastReadSeq = joined.last_read_seq;
            thread.problem = null;
          },
        );
        if (!reply.ok) {
          if (isRetryable(reply.code)) return 'again';
          if (reply.code === 'not_a_participant') remove(id);
          else thread.problem = reply.message;
          return 'done';
        }
        if (open.has(id) && thread.messages.length === 0) void loadOlder(id);
        else if (asked !== null) receipts.refreshStatuses(thread);
        receipts.tellDelivered(thread);
        receipts.tellRead(thread);
        void sender.pump(thread);
        return 'done';
      }),
    );
  }

  socket.on('new_message', (message) => {
    const thread = threads.get(message.conversation_id);
    if (thread === undefined) return;
    if (hear(thread, message, me) !== 'new') return;
    if (!open.has(thread.id)) trim(thread, MAX_WINDOW);
    if (message.sender_id === me)
      outbox.drop({ client_message_id: message.client_message_id ?? '' });
    deps.onHeard?.(thread, message);
    receipts.tellDelivered(thread);
    changed();
  });
  socket.on('resync', ({ conversation_id, last_seq }) => {
    const thread = threads.get(conversation_id);
    if (thread === undefined) return;
    // What is missing is not there to be replayed; live it goes on from here.
    restart(thread, last_seq);
    if (open.has(thread.id)) void loadOlder(thread.id);
    else void refreshList();
    void sender.pump(thread);
    changed();
  });

  async function loadOlder(id: string): Promise<void> {
    const thread = threads.get(id);
    if (thread?.head == null || thread.first <= 1) return;
    await once('history', id, async () => {
      thread.loading = true;
      changed();
      try {
        for (let before = 0; before !== thread.first; ) {
          // Again when the window was started anew meanwhile.
          before = thread.first;
          const page = await rest.before(id, before, PAGE);
          if (before === thread.first) before = prepend(thread, page, me);
        }
        thread.problem = null;
        for (const item of kept) if (wasHeard(thread, item)) outbox.drop(item);
      } catch (error) {
        thread.problem = error instanceof Error ? error.message : String(error);
      } finally {
        thread.loading = false;
      }
    });
  }

  function wasHeard(thread: Thread, item: Outgoing): boolean {
    return thread.messages.some(
      ({ sender_id, client_message_id }) =>
        sender_id === me && client_message_id === item.client_message_id,
    );
  }

  // ── People come and go ──────────────────────────────────────────────────────────────────────

  socket.on('conversation_created', (conversation) => void take(conversation));
  socket.on('participant_added', () => void refreshList());
  socket.on('participant_removed', ({ conversation_id, user_id }) => {
    const thread = threads.get(conversation_id);
    if (user_id === me) remove(conversation_id);
    else if (thread !== undefined) {
      thread.participants = thread.participants.filter(({ id }) => id !== user_id);
      changed();
    }
  });
  socket.on('token_expiring', ({ expires_at }) => {
    tokenExpiresAt = expires_at;
    changed();
  });

  return {
    me,
    threads: threads as ReadonlyMap<string, Thread>,
    get line(): LineState {
      return line;
    },
    get listed(): boolean {
      return listed;
    },
    get hasToken(): boolean {
      return identity.token !== null;
    },
    get tokenExpiresAt(): string | null {
      return tokenExpiresAt;
    },
    transport: socket.transport,
    reconnect: socket.reconnect,
    loadOlder,

    /** The conversation is looked at: loads its newest messages. */
    open(id: string): void {
      open.add(id);
      const thread = threads.get(id);
      if (thread?.joined && thread.messages.length < PAGE) void loadOlder(id);
    },
    leave: (id: string): void => void open.delete(id),

    send: sender.send,
    retry: sender.retry,
    discard: sender.discard,
    markRead: receipts.markRead,
    typing(id: string, isTyping: boolean): void {
      if (!threads.get(id)?.joined) return;
      void socket.ask(isTyping ? 'typing_start' : 'typing_stop', { conversation_id: id });
    },

    /** @throws Refusal */
    async create(participantIds: string[]): Promise<string> {
      return take(await rest.create(participantIds)).id;
    },
    /** Goes on with a new token, also when the old one has ended the connection. */
    async renewToken(token: string): Promise<string | null> {
      if (userOfToken(token) !== me) return 'This is not a token of yours.';
      if (socket.connected) {
        const reply = await socket.ask('refresh_token', { token });
        if (!reply.ok) return reply.message;
      }
      identity = { ...identity, token };
      tokenExpiresAt = null;
      deps.onRenewed?.(identity);
      if (!socket.connected) socket.reconnect();
      changed();
      return null;
    },
    close(): void {
      closed = true;
      socket.close();
    },
  };
}

export type ChatClient = ReturnType<typeof createChatClient>;
