/**
 * The rules' `Store` on PostgreSQL: puts the parts of this directory together. Ids given to it are
 * UUIDs already; what is refused is a value, what cannot be answered is ChatError('unavailable').
 */
import type { AppendOutcome, MessageDraft, Store } from '../chat/ports.ts';
import { createConversation, readConversation } from './conversations.ts';
import { readCursors } from './cursor-reads.ts';
import { markDelivered, markRead } from './cursors.ts';
import type { Database } from './database.ts';
import { createDeliveryReads, type DeliveryReadLimits } from './delivery-reads.ts';
import type { Epochs } from './epoch.ts';
import { createHeadReads } from './heads.ts';
import { createHistory, type HistoryLimits } from './history.ts';
import { type ListLimits, listConversations } from './list.ts';
import { noteLostFuture } from './lost-futures.ts';
import { createNotices } from './notices.ts';
import { addParticipant, countParticipants, removeParticipant } from './participants.ts';

export interface StoreDeps {
  database: Database;
  /** Stores messages by group commit; see writer.ts. */
  writer: { append(draft: MessageDraft): Promise<AppendOutcome> };
  limits: StoreLimits;
  /** Learns from the check of heads which database was asked. */
  epochs?: Epochs;
}

type StoreLimits = DeliveryReadLimits & HistoryLimits & ListLimits;

/** The store of one process. */
export function createStore({ database, writer, limits, epochs }: StoreDeps): Store {
  return {
    appendMessage: (draft) => writer.append(draft),
    listConversations: (request) => listConversations(database, request, limits),
    readHistory: createHistory(database, limits),
    createConversation: (request) => createConversation(database, request),
    markRead: (request) => markRead(database, request),
    markDelivered: (request) => markDelivered(database, request),
    addParticipant: (request) => addParticipant(database, request),
    removeParticipant: (request) => removeParticipant(database, request),
    countParticipants: (id, viewerId) => countParticipants(database, id, viewerId),
    ...createDeliveryReads(database, limits),
    ...createHeadReads(database, epochs, limits),
    noteLostFuture: (lost) => noteLostFuture(database, lost),
    ...createNotices(database),
    readCursors: (ids) => readCursors(database, ids),
    readConversation: (id) => readConversation(database, id),
    ping: async () => {
      await database.query((sql) => sql`SELECT 1`);
    },
  };
}
