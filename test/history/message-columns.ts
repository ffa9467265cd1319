import type postgres from 'postgres';

/** The columns of a `MessageRow`, for the SELECT of any table of messages. */
export const messageColumns = (sql: postgres.Sql) => sql`
  id, conversation_id AS "conversationId", seq::int, sender_id AS "senderId", content,
  client_message_id AS key`;
