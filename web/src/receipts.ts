/** Who has received and read what, told and heard; and who is typing. */
import type { Line } from './line.ts';
import type { Rest } from './rest.ts';
import { mergeStatuses, moveCursor, type Thread } from './thread.ts';

const DELIVERED_DELAY_MS = 40;
const STATUS_DELAY_MS = 300;
const STATUS_PAGE = 200;
/** The service forgets a typist after 6 s; this is for when its word does not arrive. */
const TYPING_MS = 8_000;

export interface ReceiptsDeps {
  socket: Line;
  rest: Rest;
  me: string;
  threads: ReadonlyMap<string, Thread>;
  /** One run of a kind for a conversation at a time. */
  once(kind: string, id: string, work: () => Promise<void>): Promise<void>;
  changed(): void;
}

export function createReceipts({ socket, rest, me, threads, once, changed }: ReceiptsDeps) {
  function tellDelivered(thread: Thread): void {
    void once('delivered', thread.id, async () => {
      for (;;) {
        // A moment later: one word for many messages.
        await after(DELIVERED_DELAY_MS);
        const head = thread.head ?? 0;
        const said = Math.max(thread.deliveredSeq, thread.lastReadSeq);
        if (!thread.joined || head <= said) return;
        const reply = await socket.ask('message_delivered', {
          conversation_id: thread.id,
          up_to_seq: head,
        });
        if (!reply.ok) return; // the next message or connect says it
        // The window may have begun anew, and lower, meanwhile.
        thread.deliveredSeq = Math.min(head, thread.head ?? 0);
      }
    });
  }

  function tellRead(thread: Thread): void {
    void once('read', thread.id, async () => {
      for (;;) {
        const wanted = thread.seenSeq;
        if (!thread.joined || wanted <= thread.lastReadSeq) return;
        const reply = await socket.ask('mark_read', {
          conversation_id: thread.id,
          up_to_seq: wanted,
        });
        if (!reply.ok || reply.data.last_read_seq < wanted) return; // the next connect says it
        readMyself(thread, reply.data.last_read_seq);
      }
    });
  }

  function readMyself(thread: Thread, seq: number): void {
    // An answer may be of before the window began anew, and lower.
    thread.lastReadSeq = Math.max(Math.min(seq, thread.head ?? seq), thread.lastReadSeq);
    // Only what the window covers can be counted here; else the next join tells.
    if (thread.lastReadSeq >= thread.first - 1) {
      thread.unread = thread.messages.filter(
        (message) => message.sender_id !== me && message.seq > thread.lastReadSeq,
      ).length;
    }
    changed();
  }

  /** The oldest of one's own that not everybody has read, as far as is known; else beyond the head. */
  const oldestUnread = (thread: Thread): number =>
    thread.messages.find((one) => one.sender_id === me && one.status !== 'read')?.seq ??
    Number.POSITIVE_INFINITY;

  /** Statuses of all that is on show, where cursors alone do not tell them. */
  function refreshStatuses(thread: Thread): void {
    if (oldestUnread(thread) === Number.POSITIVE_INFINITY) return;
    void once('statuses', thread.id, async () => {
      await after(STATUS_DELAY_MS);
      try {
        const down = oldestUnread(thread);
        for (let before = (thread.head ?? 0) + 1; before > down; ) {
          const page = await rest.before(thread.id, before, STATUS_PAGE);
          mergeStatuses(thread, page);
          before = page[0]?.seq ?? 0;
        }
      } catch {
        return; // ticks only; the next cursor or connect asks again
      }
    });
  }

  function moved(kind: 'read' | 'delivered', id: string, userId: string, seq: number): void {
    const thread = threads.get(id);
    if (thread === undefined) return;
    if (userId === me) {
      if (kind === 'read') readMyself(thread, seq);
    } else if (!moveCursor(thread, kind, userId, seq, me)) refreshStatuses(thread);
    changed();
  }

  socket.on('messages_read', ({ conversation_id, user_id, last_read_seq }) =>
    moved('read', conversation_id, user_id, last_read_seq),
  );
  socket.on('messages_delivered', ({ conversation_id, user_id, last_delivered_seq }) =>
    moved('delivered', conversation_id, user_id, last_delivered_seq),
  );
  socket.on('user_typing', ({ conversation_id, user_id, user_name }) => {
    const thread = threads.get(conversation_id);
    if (thread === undefined || user_id === me) return;
    clearTimeout(thread.typing.get(user_id)?.timer);
    const timer = setTimeout(() => {
      thread.typing.delete(user_id);
      changed();
    }, TYPING_MS);
    thread.typing.set(user_id, { name: user_name ?? 'Somebody', timer });
    changed();
  });
  socket.on('user_stopped_typing', ({ conversation_id, user_id }) => {
    threads.get(conversation_id)?.typing.delete(user_id);
    changed();
  });

  return {
    tellDelivered,
    refreshStatuses,
    tellRead,

    /** Everything up to `seq` has been seen. */
    markRead(id: string, seq: number): void {
      const thread = threads.get(id);
      if (thread === undefined || seq <= thread.seenSeq) return;
      thread.seenSeq = seq;
      tellRead(thread);
    },
  };
}

const after = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs));
