-- Positions instead of counts: every message gets a seq in its conversation, every conversation
-- knows its last one, every participant has cursors. Rows that are there already are filled in from
-- what they say. Each backfill is one statement over the whole table: the service is down for it
-- once (about a minute for ten million messages), and it needs free disk space of that table's size.

-- All at once and in the order the service locks in, so that a running old service cannot deadlock.
LOCK TABLE messaging.conversations, messaging.conversation_participants, messaging.messages
  IN ACCESS EXCLUSIVE MODE;

ALTER TABLE messaging.conversations
  ADD COLUMN IF NOT EXISTS last_seq BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS members_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE messaging.conversation_participants
  ADD COLUMN IF NOT EXISTS last_read_seq BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS last_delivered_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE messaging.messages
  ADD COLUMN IF NOT EXISTS seq BIGINT,
  ADD COLUMN IF NOT EXISTS client_message_id VARCHAR(64),
  ADD COLUMN IF NOT EXISTS message_type VARCHAR(20) DEFAULT 'text',
  ADD COLUMN IF NOT EXISTS media_url TEXT;

-- Room on each page for the new version of an updated row: none of these updates touches an index,
-- so they stay on the page (HOT). A conversation's row is updated by every send.
ALTER TABLE messaging.messages SET (fillfactor = 90);
ALTER TABLE messaging.conversations SET (fillfactor = 70);
ALTER TABLE messaging.conversation_participants SET (fillfactor = 80);

-- A row without a time gets the best known one, so that every reader finds one.
UPDATE messaging.conversations c
SET created_at = coalesce(
  (SELECT min(m.created_at) FROM messaging.messages m WHERE m.conversation_id = c.id),
  c.last_message_at, CURRENT_TIMESTAMP AT TIME ZONE 'UTC')
WHERE c.created_at IS NULL;

WITH timed AS (
  SELECT m.id, m.conversation_id, m.seq, coalesce(m.created_at, c.created_at) AS created_at
  FROM messaging.messages m JOIN messaging.conversations c ON c.id = m.conversation_id
), numbered AS (
  SELECT id, created_at,
    row_number() OVER (PARTITION BY conversation_id ORDER BY seq NULLS LAST, created_at, id) AS seq
  FROM timed
)
UPDATE messaging.messages m SET seq = n.seq, created_at = n.created_at
FROM numbered n
WHERE n.id = m.id AND m.seq IS DISTINCT FROM n.seq;

ALTER TABLE messaging.messages ALTER COLUMN seq SET NOT NULL;

-- The given index of this name may hold conversation_id alone; this one serves its readers as well.
-- sender_id rides along so that unread messages are counted in the index.
DROP INDEX IF EXISTS messaging.idx_messages_conversation_id;
CREATE UNIQUE INDEX idx_messages_conversation_id
  ON messaging.messages (conversation_id, seq) INCLUDE (sender_id);
CREATE UNIQUE INDEX IF NOT EXISTS messages_client_message_id_key
  ON messaging.messages (conversation_id, sender_id, client_message_id)
  WHERE client_message_id IS NOT NULL;

UPDATE messaging.conversations c
SET last_seq = newest.seq, last_message_at = greatest(c.last_message_at, newest.created_at)
FROM (
  SELECT conversation_id, max(seq) AS seq, max(created_at) AS created_at
  FROM messaging.messages GROUP BY conversation_id
) newest
WHERE newest.conversation_id = c.id;

-- A message marked read was read by everyone but its sender, and whoever read a message has passed
-- all before it: the cursor is the newest such message of someone else.
WITH marked AS (
  SELECT conversation_id, sender_id,
    coalesce(max(seq) FILTER (WHERE status = 'read'), 0) AS read_seq,
    max(seq) AS delivered_seq
  FROM messaging.messages WHERE status IN ('read', 'delivered')
  GROUP BY conversation_id, sender_id
), cursors AS (
  SELECT p.id, max(m.read_seq) AS read_seq, max(m.delivered_seq) AS delivered_seq
  FROM messaging.conversation_participants p
  JOIN marked m ON m.conversation_id = p.conversation_id AND m.sender_id <> p.participant_id
  GROUP BY p.id
)
UPDATE messaging.conversation_participants p
SET last_read_seq = greatest(p.last_read_seq, c.read_seq),
    last_delivered_seq = greatest(p.last_delivered_seq, c.delivered_seq)
FROM cursors c WHERE c.id = p.id;

-- And the other way round: messages the cursors now cover. Of all participants' lowest cursors, a
-- message is held back by the lowest that is not its sender's own.
WITH ranked AS (
  SELECT conversation_id, participant_id, last_read_seq, last_delivered_seq,
    row_number() OVER (PARTITION BY conversation_id ORDER BY last_read_seq, participant_id) AS read_rank,
    row_number() OVER (PARTITION BY conversation_id ORDER BY last_delivered_seq, participant_id) AS delivered_rank
  FROM messaging.conversation_participants
), bounds AS (
  SELECT conversation_id,
    min(last_read_seq) AS read_1,
    (array_agg(participant_id) FILTER (WHERE read_rank = 1))[1] AS read_holder,
    max(last_read_seq) FILTER (WHERE read_rank = 2) AS read_2,
    min(last_delivered_seq) AS delivered_1,
    (array_agg(participant_id) FILTER (WHERE delivered_rank = 1))[1] AS delivered_holder,
    max(last_delivered_seq) FILTER (WHERE delivered_rank = 2) AS delivered_2
  FROM ranked GROUP BY conversation_id
), due AS (
  SELECT m.id, CASE
      WHEN m.seq <= CASE WHEN m.sender_id = b.read_holder THEN b.read_2 ELSE b.read_1 END THEN 'read'
      WHEN m.seq <= CASE WHEN m.sender_id = b.delivered_holder THEN b.delivered_2 ELSE b.delivered_1 END
        THEN 'delivered'
    END AS status
  FROM messaging.messages m JOIN bounds b ON b.conversation_id = m.conversation_id
  WHERE m.status IS DISTINCT FROM 'read'
)
UPDATE messaging.messages m SET status = d.status
FROM due d WHERE d.id = m.id AND d.status IS NOT NULL AND m.status IS DISTINCT FROM d.status;

-- One conversation for a match. Older data may hold several: then the index only serves look-ups,
-- and new ones are kept single by the lock that every creator takes on the match id in either case.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM messaging.conversations WHERE request_match_id IS NOT NULL
    GROUP BY request_match_id HAVING count(*) > 1
  ) THEN
    RAISE NOTICE 'some matches have several conversations: they are kept';
    CREATE INDEX IF NOT EXISTS idx_conversations_request_match_id
      ON messaging.conversations (request_match_id) WHERE request_match_id IS NOT NULL;
  ELSE
    CREATE UNIQUE INDEX IF NOT EXISTS idx_conversations_request_match_id
      ON messaging.conversations (request_match_id) WHERE request_match_id IS NOT NULL;
  END IF;
END $$;

ANALYZE messaging.conversations;
ANALYZE messaging.conversation_participants;
ANALYZE messaging.messages;
