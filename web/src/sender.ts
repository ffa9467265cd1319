/**
 * Sending until it is acknowledged. A message is kept in the outbox from the moment it is said, goes
 * out again with the same `client_message_id` after whatever went wrong, and one at a time in a
 * conversation, so that their order stays.
 */
import { isRetryable, type Line, pause } from './line.ts';
import type { Outbox } from './outbox.ts';
import type { Outgoing, Thread } from './thread.ts';

export type NewMessage = Pick<Outgoing, 'content' | 'message_type' | 'media_url'>;

export interface SenderDeps {
  socket: Line;
  outbox: Outbox;
  threads: ReadonlyMap<string, Thread>;
  /** One run of a kind for a conversation at a time. */
  once(kind: string, id: string, work: () => Promise<void>): Promise<void>;
  changed(): void;
}

export function createSender({ socket, outbox, threads, once, changed }: SenderDeps) {
  /** Sends what waits in a conversation for as long as it is joined. */
  function pump(thread: Thread): Promise<void> {
    return once('send', thread.id, async () => {
      for (let attempt = 0; thread.joined; ) {
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
    });
  }

  function settle(thread: Thread, item: Outgoing): void {
    if (item.state === 'stored') outbox.drop(item);
    else outbox.keep(item);
    // Acknowledged and heard already: it stands among the messages.
    const isHeard = item.seq !== undefined && thread.head !== null && item.seq <= thread.head;
    thread.outgoing = thread.outgoing.flatMap((other) => {
      if (other.client_message_id !== item.client_message_id) return [other];
      return isHeard ? [] : [item];
    });
    changed();
  }

  return {
    pump,

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

    /** Once more, after it was refused for good. */
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
  };
}

/** 128 random bits; `crypto.randomUUID` is missing on plain HTTP from another machine. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
