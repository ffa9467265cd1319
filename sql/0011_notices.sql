-- What every node must hear of people, kept until all have: who was added to a conversation or removed
-- from it, and whose connections are to be ended. Nodes tell each other over Redis, which may lose it;
-- each of them also reads here what it has not seen, at the same interval at which it compares heads.

CREATE TABLE IF NOT EXISTS messaging.notices (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- A reader that has seen everything of the transactions before a snapshot's oldest one asks for the
  -- rest by this: what commits late is found late, but it is found. No clock can promise that.
  xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
  kind VARCHAR(20) NOT NULL,                  -- added, removed, disconnect
  user_id UUID NOT NULL,
  conversation_id UUID,
  members_version BIGINT,
  made_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS idx_notices_xid ON messaging.notices (xid);

-- As in 0005, and with a notice for each person concerned, whoever makes the change.
CREATE OR REPLACE FUNCTION messaging.count_membership_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM messaging.conversations
  WHERE id IN (SELECT conversation_id FROM changed)
  ORDER BY id FOR NO KEY UPDATE;
  WITH counted AS (
    UPDATE messaging.conversations SET members_version = members_version + 1
    WHERE id IN (SELECT conversation_id FROM changed)
    RETURNING id, members_version
  )
  INSERT INTO messaging.notices (kind, user_id, conversation_id, members_version)
  SELECT CASE TG_OP WHEN 'INSERT' THEN 'added' ELSE 'removed' END,
    changed.participant_id, counted.id, counted.members_version
  FROM changed JOIN counted ON counted.id = changed.conversation_id;
  RETURN NULL;
END $$;
