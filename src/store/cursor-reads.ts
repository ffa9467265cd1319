/** How far everybody has read and received, for announcements that the bus has lost. */
import type { ParticipantCursors } from '../chat/ports.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { Database } from './database.ts';

/** The cursors of everybody in these conversations who has read or received anything. */
export async function readCursors(
  database: Database,
  conversationIds: readonly CanonicalId[],
): Promise<ParticipantCursors[]> {
  return database.query(
    (sql) => sql<ParticipantCursors[]>`
      SELECT conversation_id AS "conversationId", participant_id AS "userId",
        last_read_seq AS "lastReadSeq", last_delivered_seq AS "lastDeliveredSeq"
      FROM messaging.conversation_participants
      WHERE conversation_id = ANY(${[...conversationIds]}::uuid[])
        AND (last_read_seq > 0 OR last_delivered_seq > 0)`,
  );
}
