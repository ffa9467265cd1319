-- "My conversations, latest first" without sorting all of them: each participant's row carries the
-- ten seconds in which its conversation last changed, and an index on that gives a page's candidates
-- in order; only they are joined and sorted exactly. A full time there would make every send rewrite
-- every participant's row and index entry. Like this it happens at most once in ten seconds for a
-- conversation, and the write path does not know of it.

ALTER TABLE messaging.conversation_participants ADD COLUMN IF NOT EXISTS listed_at TIMESTAMP;

-- Monotone in the time the list is ordered by: the readers rely on that and on nothing else.
CREATE OR REPLACE FUNCTION messaging.list_time(last_message_at TIMESTAMP, created_at TIMESTAMP)
RETURNS TIMESTAMP LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT date_bin('10 seconds', coalesce(last_message_at, created_at, 'epoch'), 'epoch')
$$;

UPDATE messaging.conversation_participants p
SET listed_at = messaging.list_time(c.last_message_at, c.created_at)
FROM messaging.conversations c WHERE c.id = p.conversation_id;

ALTER TABLE messaging.conversation_participants ALTER COLUMN listed_at SET NOT NULL;
CREATE INDEX IF NOT EXISTS idx_conversation_participants_list
  ON messaging.conversation_participants (participant_id, listed_at DESC);

CREATE OR REPLACE FUNCTION messaging.place_conversation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE messaging.conversation_participants
  SET listed_at = messaging.list_time(NEW.last_message_at, NEW.created_at)
  WHERE conversation_id = NEW.id;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER place_conversation
  AFTER UPDATE OF last_message_at, created_at ON messaging.conversations
  FOR EACH ROW
  WHEN (messaging.list_time(OLD.last_message_at, OLD.created_at)
    IS DISTINCT FROM messaging.list_time(NEW.last_message_at, NEW.created_at))
  EXECUTE FUNCTION messaging.place_conversation();

CREATE OR REPLACE FUNCTION messaging.place_participant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Shared with other inserts, but not with a send that would move the time meanwhile.
  SELECT messaging.list_time(last_message_at, created_at) INTO NEW.listed_at
  FROM messaging.conversations WHERE id = NEW.conversation_id FOR SHARE;
  -- No such conversation: the foreign key says so in a moment, in its own words.
  NEW.listed_at := coalesce(NEW.listed_at, 'epoch');
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER place_participant
  BEFORE INSERT ON messaging.conversation_participants
  FOR EACH ROW EXECUTE FUNCTION messaging.place_participant();

ANALYZE messaging.conversation_participants;
