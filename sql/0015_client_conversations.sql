-- The creator's own key for one conversation, so that a creation that is repeated makes no second one. A
-- table of its own: nothing is scanned or rewritten, conversations are locked for the moment in which the
-- reference is made, and what every send updates stays as small as it was. A node of the release before
-- knows nothing of it.

CREATE TABLE IF NOT EXISTS messaging.client_conversations (
  creator_id UUID NOT NULL,                   -- 00000000-0000-0000-0000-000000000000: a service
  client_conversation_id VARCHAR(64) NOT NULL,
  -- With the conversation its key is free again.
  conversation_id UUID NOT NULL REFERENCES messaging.conversations(id) ON DELETE CASCADE,
  -- Of what was asked for: who takes part changes later, what was asked for does not.
  body_digest BYTEA NOT NULL,
  PRIMARY KEY (creator_id, client_conversation_id)
);
-- For whoever deletes a conversation.
CREATE INDEX IF NOT EXISTS idx_client_conversations_conversation
  ON messaging.client_conversations (conversation_id);
