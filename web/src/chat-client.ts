/**
 * The reference client: how to talk to the service so that no message is lost or shown twice.
 *
 * - Every conversation is joined; at every connect again, with `after_seq`: what was missed is
 *   replayed before anything newer. Too far behind (`resync`): the window starts anew at the head and
 *   history is read over REST.
 * - A message is taken when it is the next one; known ones are dropped; a hole means joining again.
 * - A message of one's own has a `client_message_id`, is kept in an outbox, and is sent again until
 *   it is acknowledged, one at a time in a conversation, so that their order stays.
 */
import type { Conversation, ConversationSummary, Message } from '../../src/chat/schemas.ts';
import { isRetryable, type LineState, openLine, pause } from './line.ts';
import { createOutbox, type KeptStorage } from './outbox.ts';
import { createRest, type Identity } from './rest.ts';
import {
  hear,
  mergeStatuses,
  moveCursor,
  newThread,
  type Outgoing,
  prepend,
  restart,
  type Thread,
  trim,
} from './thread.ts';

const PAGE = 40;
const MAX_LIST_PAGES = 5;
/** Of a conversation that is not looked at. */
const MAX_WINDOW = 400;
const DELIVERED_DELAY_MS = 40;
const STATUS_DELAY_MS = 300;
/** The service forgets a typist after 6 s; this is for when its word does not arrive. */
const TYPING_MS = 8_000;

export type NewMessage = Pick<Outgoing, 'content' | 'message_type' | 'media_url'>;

export interface ChatClientDeps {
  identity: Identity;
  storage: KeptStorage;
  /** Something has changed; called at most once in a turn. */
  onChange(): void;
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
  const busy = new Set<string>();
  const delivered = new Map<string, number>();
  const wantRead = new Map<string, number>();
  let line: LineState = { phase: 'connecting' };
  let listed = false;
  let tokenExpiresAt: string | null = null;
  let closed = false;

  let announced = false;
  function changed(): void {
    if (announced) return;
    announced = true;
    queueMicrotask(() => {
      announced = false;
      if (!closed) deps.onChange();
    });
  }

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

  /** Only one run of a kind for a conversation at a time. */
  async function once(kind: string, id: string, work: () => Promise<void>): Promise<void> {
    const key = `${kind} ${id}`;
    if (busy.has(key)) return;
    busy.add(key);
    try {
      await work();
    } finally {
      busy.delete(key);
      changed();
    }
  }

  /** Runs `step` until it is done, the connection is another one, or everything is closed. */
  async function persist(step: () => Promise<'done' | 'again'>): Promise<void> {
    const connection = socket.id;
    for (let attempt = 0; ; attempt++) {
      if ((await step()) === 'done') return;
      await pause(attempt);
      if (closed || !socket.connected || socket.id !== connection) return;
    }
  }

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
      if (thread.messages.length === 0) thread.lastMessage = summary.last_message;
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
        else if (asked !== null) refreshStatuses(thread);
        tellDelivered(thread);
        void tellRead(thread);
        void pump(thread);
        return 'done';
      }),
    );
  }

  socket.on('new_message', (message) => {
    const thread = threads.get(message.conversation_id);
    if (thread === undefined) return;
    const verdict = hear(thread, message, me);
    if (verdict === 'gap' && thread.head !== null) void join(thread);
    if (verdict !== 'new') return;
    if (!open.has(thread.id)) trim(thread, MAX_WINDOW);
    if (message.sender_id === me)
      outbox.drop({ client_message_id: message.client_message_id ?? '' });
    deps.onHeard?.(thread, message);
    tellDelivered(thread);
    changed();
  });
  socket.on('resync', ({ conversation_id }) => {
    const thread = threads.get(conversation_id);
    if (thread !== undefined) void join(thread);
  });

  async function loadOlder(id: string): Promise<void> {
    const thread = threads.get(id);
    if (thread?.head == null || thread.first <= 1) return;
    await once('history', id, async () => {
      thread.loading = true;
      changed();
      try {
        prepend(thread, await rest.before(id, thread.first, PAGE), me);
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

  // ── Sending ─────────────────────────────────────────────────────────────────────────────────

  function pump(thread: Thread): Promise<void> {
    return once('send', thread.id, async () => {
      for (let attempt = 0; socket.connected && thread.joined && !closed; ) {
        const item = thread.outgoing.find(({ state }) => state === 'waiting');
        if (item === undefined) return;
        const { conversation_id, client_message_id, content, message_type, media_url } = item;
        const reply = await socket.ask(
          'send_message',
          { conversation_id, client_message_id, content, message_type, media_url },
          ({ seq }) => settle(thread, { ...item, state: 'stored', seq }),
        );
        if (reply.ok) attempt = 0;
        else if (isRetryable(reply.code)) await pause(attempt++);
        else settle(thread, { ...item, state: 'failed', reason: reply.message });
      }
    }).then(() => {
      const more = thread.outgoing.some(({ state }) => state === 'waiting');
      // It may have come back just while the last round was given up.
      if (more && socket.connected && thread.joined && !closed && !busy.has(`send ${thread.id}`)) {
        return pump(thread);
      }
    });
  }

  function settle(thread: Thread, item: Outgoing): void {
    if (item.state === 'stored') outbox.drop(item);
    else outbox.keep(item);
    const heard = item.seq !== undefined && thread.head !== null && item.seq <= thread.head;
    thread.outgoing = thread.outgoing
      .map((other) => (other.client_message_id === item.client_message_id ? item : other))
      .filter((other) => !(heard && other.client_message_id === item.client_message_id));
    changed();
  }

  // ── Cursors, typing, statuses ───────────────────────────────────────────────────────────────

  function tellDelivered(thread: Thread): void {
    void once('delivered', thread.id, async () => {
      // A moment later: one word for many messages.
      await new Promise((resolve) => setTimeout(resolve, DELIVERED_DELAY_MS));
      const head = thread.head ?? 0;
      if (head <= (delivered.get(thread.id) ?? 0) || head <= thread.lastReadSeq) return;
      const reply = await socket.ask('message_delivered', {
        conversation_id: thread.id,
        up_to_seq: head,
      });
      if (reply.ok) delivered.set(thread.id, reply.data.last_delivered_seq);
    }).then(() => {
      const said = Math.max(delivered.get(thread.id) ?? 0, thread.lastReadSeq);
      if (thread.joined && said > 0 && (thread.head ?? 0) > said) tellDelivered(thread);
    });
  }

  function tellRead(thread: Thread): Promise<void> {
    return once('read', thread.id, async () => {
      for (;;) {
        const wanted = wantRead.get(thread.id) ?? 0;
        if (!thread.joined || wanted <= thread.lastReadSeq) return;
        const reply = await socket.ask('mark_read', {
          conversation_id: thread.id,
          up_to_seq: wanted,
        });
        if (!reply.ok) return;
        readMyself(thread, reply.data.last_read_seq);
      }
    });
  }

  function readMyself(thread: Thread, seq: number): void {
    thread.lastReadSeq = Math.max(seq, thread.lastReadSeq);
    thread.unread =
      thread.lastReadSeq >= (thread.head ?? 0)
        ? 0
        : Math.min(
            thread.unread,
            thread.messages.filter((m) => m.sender_id !== me && m.seq > thread.lastReadSeq).length,
          );
    changed();
  }

  function refreshStatuses(thread: Thread): void {
    if (!thread.messages.some((m) => m.sender_id === me && m.status !== 'read')) return;
    void once('statuses', thread.id, async () => {
      await new Promise((resolve) => setTimeout(resolve, STATUS_DELAY_MS));
      try {
        mergeStatuses(thread, await rest.before(thread.id, (thread.head ?? 0) + 1, PAGE));
      } catch {
        return; // ticks only; the next cursor or connect asks again
      }
    });
  }

  function cursorMoved(kind: 'read' | 'delivered', id: string, userId: string, seq: number): void {
    const thread = threads.get(id);
    if (thread === undefined) return;
    if (userId === me) {
      if (kind === 'read') readMyself(thread, seq);
    } else if (!moveCursor(thread, kind, userId, seq, me)) refreshStatuses(thread);
    changed();
  }
  socket.on('messages_read', (m) =>
    cursorMoved('read', m.conversation_id, m.user_id, m.last_read_seq),
  );
  socket.on('messages_delivered', (m) =>
    cursorMoved('delivered', m.conversation_id, m.user_id, m.last_delivered_seq),
  );
  socket.on('user_typing', ({ conversation_id, user_id, user_name }) => {
    const thread = threads.get(conversation_id);
    if (thread === undefined || user_id === me) return;
    const name = user_name ?? 'Somebody';
    thread.typing.set(user_id, name);
    setTimeout(() => {
      thread.typing.delete(user_id);
      changed();
    }, TYPING_MS);
    changed();
  });
  socket.on('user_stopped_typing', ({ conversation_id, user_id }) => {
    threads.get(conversation_id)?.typing.delete(user_id);
    changed();
  });

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

    /** Shows at once, sends as soon as can be. */
    send(id: string, message: NewMessage): void {
      const thread = threads.get(id);
      if (thread === undefined) return;
      const item: Outgoing = {
        ...message,
        conversation_id: id,
        client_message_id: randomId(),
        created_at: new Date().toISOString(),
        state: 'waiting',
      };
      outbox.keep(item);
      thread.outgoing = [...thread.outgoing, item];
      changed();
      void pump(thread);
    },
    retry(item: Outgoing): void {
      const thread = threads.get(item.conversation_id);
      if (thread === undefined) return;
      const { reason: _reason, ...again } = item;
      settle(thread, { ...again, state: 'waiting' });
      void pump(thread);
    },
    discard(item: Outgoing): void {
      outbox.drop(item);
      const thread = threads.get(item.conversation_id);
      if (thread === undefined) return;
      thread.outgoing = thread.outgoing.filter((other) => other !== item);
      changed();
    },

    /** Everything up to `seq` has been seen. */
    markRead(id: string, seq: number): void {
      const thread = threads.get(id);
      if (thread === undefined || seq <= Math.max(wantRead.get(id) ?? 0, thread.lastReadSeq))
        return;
      wantRead.set(id, seq);
      void tellRead(thread);
    },
    typing(id: string, isTyping: boolean): void {
      if (!threads.get(id)?.joined) return;
      void socket.ask(isTyping ? 'typing_start' : 'typing_stop', { conversation_id: id });
    },

    /** @throws Refusal */
    async create(participantIds: string[]): Promise<string> {
      return take(await rest.create(participantIds)).id;
    },
    async refreshToken(token: string): Promise<string | null> {
      const reply = await socket.ask('refresh_token', { token });
      if (!reply.ok) return reply.message;
      identity = { ...identity, token };
      tokenExpiresAt = null;
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

/** 128 random bits; `crypto.randomUUID` is missing on plain HTTP from another machine. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
