/** The message every baseline sends: the fields, and their order, of the product's. */
export interface StoredMessage {
  id: string;
  conversation_id: string;
  seq: number;
  sender_id: string;
  sender_name: string | null;
  content: string;
  message_type: string;
  media_url: string | null;
  client_message_id: string | null;
  status: string;
  created_at: string;
}

export const MESSAGE_COLUMNS =
  'm.id, m.conversation_id, m.seq::int, m.sender_id, u.name AS sender_name, m.content, ' +
  'm.message_type, m.media_url, m.client_message_id, m.status, m.created_at';
