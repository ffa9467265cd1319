/** Messages as PostgreSQL gives them, and the one place where they become what callers see. */
import type { Message, MessageStatus, MessageType } from '../chat/schemas.ts';
import type { CanonicalId } from '../shared/ids.ts';

/** The columns of a message, under the names a query that gives a row for each selects. */
export interface MessageRow {
  id: CanonicalId;
  conversation_id: CanonicalId;
  seq: number;
  sender_id: CanonicalId;
  sender_name: string | null;
  content: string;
  message_type: string | null;
  media_url: string | null;
  client_message_id: string | null;
  status: string | null;
  /** Already ISO 8601 with Z (column-types.ts); null only in rows older than this service. */
  created_at: string | null;
}

const EPOCH = '1970-01-01T00:00:00.000Z';

/** A stored row as the message callers see. Values this service never writes are normalised. */
export function toMessage(row: MessageRow): Message {
  return {
    id: row.id,
    conversation_id: row.conversation_id,
    seq: row.seq,
    sender_id: row.sender_id,
    sender_name: row.sender_name,
    content: row.content,
    message_type: toMessageType(row.message_type),
    media_url: row.media_url,
    client_message_id: row.client_message_id,
    status: toMessageStatus(row.status),
    created_at: row.created_at ?? EPOCH,
  };
}

/** Unknown or missing types (rows of others) read as text. */
function toMessageType(value: string | null): MessageType {
  return value === 'image' || value === 'location' ? value : 'text';
}

/** Unknown or missing statuses (rows of others) read as sent. */
function toMessageStatus(value: string | null): MessageStatus {
  return value === 'read' || value === 'delivered' ? value : 'sent';
}
