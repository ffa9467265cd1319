/**
 * Messages that are not acknowledged yet, kept over a reload: an entry of its own for each, so that
 * several tabs of one person do not overwrite each other. Sending one twice does no harm.
 */
import type { Outgoing } from './thread.ts';

const MAX_KEPT = 500;

export type KeptStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

export function createOutbox(storage: KeptStorage, userId: string) {
  const prefix = `outbox:${userId}:`;
  const nameOf = (item: Pick<Outgoing, 'client_message_id'>): string =>
    `${prefix}${item.client_message_id}`;

  function names(): string[] {
    return Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '').filter(
      (name) => name.startsWith(prefix),
    );
  }

  return {
    /** Oldest first. */
    load(): Outgoing[] {
      return names()
        .map((name) => parse(storage.getItem(name)))
        .filter((item) => item !== null)
        .sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
    },

    keep(item: Outgoing): void {
      try {
        if (names().length < MAX_KEPT) storage.setItem(nameOf(item), JSON.stringify(item));
      } catch (error) {
        // Full or forbidden: the message is still sent as long as this page lives.
        console.warn('The outbox cannot be kept over a reload.', error);
      }
    },

    drop(item: Pick<Outgoing, 'client_message_id'>): void {
      storage.removeItem(nameOf(item));
    },
  };
}

export type Outbox = ReturnType<typeof createOutbox>;

function parse(text: string | null): Outgoing | null {
  try {
    const item: Partial<Outgoing> | null = JSON.parse(text ?? 'null');
    const fits =
      typeof item?.client_message_id === 'string' &&
      typeof item.conversation_id === 'string' &&
      typeof item.content === 'string' &&
      typeof item.created_at === 'string';
    if (!fits) return null;
    const isImage = item.message_type === 'image' && typeof item.media_url === 'string';
    return {
      client_message_id: item.client_message_id ?? '',
      conversation_id: item.conversation_id ?? '',
      content: item.content ?? '',
      created_at: item.created_at ?? '',
      message_type: isImage ? 'image' : item.message_type === 'location' ? 'location' : 'text',
      media_url: isImage ? (item.media_url ?? null) : null,
      state: item.state === 'failed' ? 'failed' : 'waiting',
      ...(typeof item.reason === 'string' ? { reason: item.reason } : {}),
    };
  } catch {
    return null; // somebody else's entry, or half of one
  }
}
