-- Locks in the order of the service (conversations by id, none of them upgraded), also where somebody
-- else changes participants: two inserts into one conversation always ended in a deadlock when they
-- met, a user's deletion beside sends often. What remains is the participant's row, which a deletion
-- holds before it comes to the conversation; a send that moves the time of the list may meet it
-- there, once in ten seconds at most, and one of the two is tried again.

CREATE OR REPLACE FUNCTION messaging.count_membership_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM messaging.conversations
  WHERE id IN (SELECT conversation_id FROM changed)
  ORDER BY id FOR NO KEY UPDATE;
  UPDATE messaging.conversations SET members_version = members_version + 1
  WHERE id IN (SELECT conversation_id FROM changed);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION messaging.place_participant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The lock that counting the change takes in a moment: a weaker one would be shared with a rival,
  -- and then both would wait for the other's.
  SELECT messaging.list_time(last_message_at, created_at) INTO NEW.listed_at
  FROM messaging.conversations WHERE id = NEW.conversation_id FOR NO KEY UPDATE;
  -- No such conversation: the foreign key says so in a moment, in its own words.
  NEW.listed_at := coalesce(NEW.listed_at, 'epoch');
  RETURN NEW;
END $$;
