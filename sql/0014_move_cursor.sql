-- Marks, in one statement and so in one round trip each, for the reason append_messages is one (sql/0016).
--
-- In what is asked of tables, names of ours carry the function's or the block's: a column that somebody adds to
-- one of them must not take their place.

-- Moves the statuses of the messages after from_seq up to to_seq forward to what the cursors say now. The
-- caller holds the conversation's row lock: two cursors that move at once would each see the other where it
-- was, and a message that both cover would be left behind.
--
-- Of all cursors, a message is held back by the lowest that is not its sender's own: the second lowest for
-- the sender who holds the lowest, the lowest for everyone else. Nobody else there: null, and the message
-- stays as it is.
CREATE OR REPLACE FUNCTION messaging.advance_statuses(
  conversation UUID,
  from_seq BIGINT,
  to_seq BIGINT
) RETURNS VOID LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  WITH lowest AS (
    SELECT
      array_agg(participant_id ORDER BY last_read_seq, participant_id) AS readers,
      array_agg(last_read_seq ORDER BY last_read_seq, participant_id) AS reads,
      array_agg(participant_id ORDER BY last_delivered_seq, participant_id) AS receivers,
      array_agg(last_delivered_seq ORDER BY last_delivered_seq, participant_id) AS deliveries
    FROM messaging.conversation_participants WHERE conversation_id = advance_statuses.conversation
  ), bounds AS (
    SELECT readers[1] AS reader, reads[1] AS read_1, reads[2] AS read_2,
      receivers[1] AS receiver, deliveries[1] AS delivered_1, deliveries[2] AS delivered_2
    FROM lowest
  )
  UPDATE messaging.messages m
  SET status = CASE
    WHEN m.seq <= CASE WHEN m.sender_id = b.reader THEN b.read_2 ELSE b.read_1 END THEN 'read'
    ELSE 'delivered' END
  FROM bounds b
  WHERE m.conversation_id = advance_statuses.conversation AND m.seq > advance_statuses.from_seq
    AND m.seq <= advance_statuses.to_seq
    AND m.seq <= (SELECT greatest(read_1, read_2, delivered_1, delivered_2) FROM bounds)
    AND CASE
      WHEN m.seq <= CASE WHEN m.sender_id = b.reader THEN b.read_2 ELSE b.read_1 END
        THEN m.status IS DISTINCT FROM 'read'
      WHEN m.seq <= CASE WHEN m.sender_id = b.receiver THEN b.delivered_2 ELSE b.delivered_1 END
        THEN m.status IS NULL OR m.status NOT IN ('delivered', 'read')
      ELSE false END;
END $$;

-- Moves one of a participant's two cursors forward, never past the last message, and with it the statuses it
-- newly covers; who has read has received.
--
-- Not to be called between BEGIN and COMMIT: what it says of waiting for the disk, where nothing is written,
-- holds for the whole transaction.
CREATE OR REPLACE FUNCTION messaging.move_cursor(
  conversation UUID,
  person UUID,
  -- The read cursor; otherwise the delivered one.
  of_reading BOOLEAN,
  -- Null: as far as there are messages.
  up_to BIGINT,
  -- Most positions to move over in one call: the conversation is locked for as long.
  most BIGINT,
  -- Whether a locked conversation is waited for, for lock_timeout at most.
  waits BOOLEAN
) RETURNS TABLE (
  --   moved       to `seq`; there is more to do where that is before `target`
  --   unchanged   it stands at `seq` already, or further
  --   locked      by somebody else: nothing is known
  --   not_a_participant, no_conversation
  outcome TEXT,
  seq BIGINT,
  target BIGINT,
  -- Messages of others that are newly covered.
  marked BIGINT
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
<<here>>
DECLARE
  head BIGINT;
  place BIGINT;
BEGIN
  IF waits THEN
    SELECT c.last_seq INTO head FROM messaging.conversations c
    WHERE c.id = move_cursor.conversation FOR NO KEY UPDATE;
  ELSE
    SELECT c.last_seq INTO head FROM messaging.conversations c
    WHERE c.id = move_cursor.conversation FOR NO KEY UPDATE SKIP LOCKED;
  END IF;

  -- A statement of its own: it sees what was committed while the lock was waited for.
  SELECT CASE WHEN move_cursor.of_reading THEN p.last_read_seq ELSE p.last_delivered_seq END INTO place
  FROM messaging.conversations c
  LEFT JOIN messaging.conversation_participants p
    ON p.conversation_id = c.id AND p.participant_id = move_cursor.person
  WHERE c.id = move_cursor.conversation;

  marked := 0;
  IF NOT FOUND THEN
    outcome := 'no_conversation';
  ELSIF place IS NULL THEN
    -- True of this moment, whoever holds the lock; a wait would tell that there is something to lock.
    outcome := 'not_a_participant';
  ELSIF head IS NULL THEN
    outcome := 'locked';
  ELSE
    target := least(coalesce(up_to, head), head);
    IF target <= place THEN
      outcome := 'unchanged';
      seq := place;
    ELSE
      outcome := 'moved';
      seq := least(target, place + most);
    END IF;
  END IF;

  IF outcome = 'moved' THEN
    IF of_reading THEN
      UPDATE messaging.conversation_participants p
      SET last_read_seq = move_cursor.seq,
        last_delivered_seq = greatest(p.last_delivered_seq, move_cursor.seq)
      WHERE p.conversation_id = move_cursor.conversation AND p.participant_id = move_cursor.person;
    ELSE
      UPDATE messaging.conversation_participants p SET last_delivered_seq = move_cursor.seq
      WHERE p.conversation_id = move_cursor.conversation AND p.participant_id = move_cursor.person;
    END IF;
    PERFORM messaging.advance_statuses(conversation, place, move_cursor.seq);
    SELECT count(*) INTO marked FROM messaging.messages m
    WHERE m.conversation_id = move_cursor.conversation AND m.seq > here.place
      AND m.seq <= move_cursor.seq AND m.sender_id <> move_cursor.person;
  ELSE
    -- Nothing is written. A row lock alone makes a commit wait for the disk, and a refusal would tell by its
    -- time whether there was a conversation to lock.
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  RETURN NEXT;
END $$;
