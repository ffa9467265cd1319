-- The write path: all that storing messages takes, in one statement and so in one round trip. It is in
-- the database for that reason alone: what a message costs a node, and how long its sender waits, is
-- counted in round trips. And the locks are held for as long as the statement runs, whatever becomes of
-- the node meanwhile.
--
-- Each statement inside sees what was committed when it began (READ COMMITTED, VOLATILE): who takes part,
-- what is stored already and the last position are read after the locks were had.
CREATE OR REPLACE FUNCTION messaging.append_messages(
  -- The conversations of the drafts, each once.
  conversations UUID[],
  -- Whether locked ones are waited for, each for lock_timeout at most. Otherwise they are left out.
  waits BOOLEAN,
  -- Whether an earlier call may have stored these drafts: then their own ids are looked up.
  unsure BOOLEAN,
  -- When nobody waits for an answer any more, in milliseconds since 1970 by this server's clock.
  deadline_ms DOUBLE PRECISION,
  -- The drafts, in the order in which they follow each other. No two have the same sender and
  -- client_message_id.
  ids UUID[],
  conversation_ids UUID[],
  sender_ids UUID[],
  contents TEXT[],
  message_types TEXT[],
  media_urls TEXT[],
  client_message_ids TEXT[]
) RETURNS TABLE (
  -- One row for each draft, in their order:
  --   stored            under seq, at created_at
  --   stored_earlier    by another call, as `earlier` says
  --   repeat            of the message `earlier`, which has its client_message_id
  --   not_a_participant, no_conversation
  --   locked            by somebody else: nothing is known
  --   late              not stored, because nobody waits for it
  outcome TEXT,
  seq BIGINT,
  created_at TIMESTAMP,
  sender_name TEXT,
  members_version BIGINT,
  earlier JSONB
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  held UUID[];
  all_held BOOLEAN;
  is_late BOOLEAN;
  present TIMESTAMP;
BEGIN
  -- In the order of the ids, which is everybody's order. FOR NO KEY UPDATE, because FOR UPDATE would wait
  -- for the checks of foreign keys, and hold them up.
  IF waits THEN
    held := ARRAY(
      SELECT c.id FROM messaging.conversations c WHERE c.id = ANY (conversations)
      ORDER BY c.id FOR NO KEY UPDATE);
  ELSE
    held := ARRAY(
      SELECT c.id FROM messaging.conversations c WHERE c.id = ANY (conversations)
      ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED);
  END IF;
  all_held := cardinality(held) = cardinality(conversations);
  is_late := extract(epoch FROM clock_timestamp()) * 1000 > deadline_ms;
  present := date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC');

  RETURN QUERY
  -- LIMIT keeps the planner from turning a look-up for each draft into a join over the whole table.
  WITH judged AS (
    SELECT d.*, c.last_seq, c.last_message_at, c.members_version, sender.name,
      coalesce(own.id, repeated.id) AS earlier_id,
      CASE
        WHEN c.id IS NULL THEN 'no_conversation'
        -- Strangers hear at once what they hear of any conversation: it is true of this moment, and a longer
        -- wait would tell them that there is one. Unless an earlier call is still under way.
        WHEN NOT (all_held OR c.id = ANY (held)) THEN
          CASE WHEN unsure OR sender.takes_part THEN 'locked' ELSE 'not_a_participant' END
        WHEN own.id IS NOT NULL THEN 'stored_earlier'
        WHEN sender.takes_part IS NULL THEN 'not_a_participant'
        WHEN repeated.id IS NOT NULL THEN 'repeat'
        WHEN is_late THEN 'late'
        ELSE 'stored'
      END AS outcome
    FROM unnest(ids, conversation_ids, sender_ids, contents, message_types, media_urls, client_message_ids)
      WITH ORDINALITY AS d (id, conversation_id, sender_id, content, message_type, media_url,
        client_message_id, place)
    LEFT JOIN LATERAL (
      SELECT * FROM messaging.conversations c WHERE c.id = d.conversation_id LIMIT 1
    ) c ON TRUE
    LEFT JOIN LATERAL (
      SELECT TRUE AS takes_part, u.name::text AS name
      FROM messaging.conversation_participants p JOIN auth.users u ON u.id = p.participant_id
      WHERE p.conversation_id = d.conversation_id AND p.participant_id = d.sender_id
      LIMIT 1
    ) sender ON TRUE
    LEFT JOIN LATERAL (
      SELECT m.id FROM messaging.messages m
      WHERE unsure AND m.id = d.id AND m.conversation_id = d.conversation_id
      LIMIT 1
    ) own ON TRUE
    LEFT JOIN LATERAL (
      SELECT m.id FROM messaging.messages m
      WHERE m.conversation_id = d.conversation_id AND m.sender_id = d.sender_id
        AND m.client_message_id = d.client_message_id
      LIMIT 1
    ) repeated ON TRUE
  ), placed AS MATERIALIZED (
    SELECT j.*,
      CASE WHEN outcome = 'stored' THEN
        j.last_seq + count(*) FILTER (WHERE outcome = 'stored')
          OVER (PARTITION BY j.conversation_id ORDER BY j.place)
      END AS seq,
      -- A message is dated like the one before it when this clock is behind by no more than five seconds:
      -- one standby's clock differs from its primary's by less. A time further ahead is wrong itself (rows
      -- of an older service in local time), and no message is given it.
      CASE WHEN outcome = 'stored' THEN
        CASE WHEN j.last_message_at > present AND j.last_message_at <= present + interval '5 seconds'
          THEN date_trunc('milliseconds', j.last_message_at) ELSE present END
      END AS created_at
    FROM judged j
  ), inserted AS (
    INSERT INTO messaging.messages (id, conversation_id, seq, sender_id, content, message_type, media_url,
      client_message_id, created_at)
    SELECT id, conversation_id, seq, sender_id, content, message_type, media_url, client_message_id, created_at
    FROM placed WHERE outcome = 'stored'
  ), moved AS (
    UPDATE messaging.conversations c SET last_seq = head.seq, last_message_at = head.created_at
    FROM (
      SELECT conversation_id, max(seq) AS seq, max(created_at) AS created_at
      FROM placed WHERE outcome = 'stored' GROUP BY conversation_id
    ) head
    WHERE c.id = head.conversation_id
  ), nothing_written AS MATERIALIZED (
    -- A row lock alone makes a commit wait for the disk, and a refusal would tell by its time whether
    -- there was a conversation to lock.
    SELECT set_config('synchronous_commit', 'off', true)
    WHERE NOT EXISTS (SELECT FROM placed WHERE outcome = 'stored')
  )
  SELECT p.outcome, p.seq, p.created_at, p.name, p.members_version,
    CASE WHEN p.outcome IN ('stored_earlier', 'repeat') THEN (
      SELECT to_jsonb(message) FROM (
        SELECT m.id, m.conversation_id, m.seq, m.sender_id, u.name::text AS sender_name, m.content,
          m.message_type, m.media_url, m.client_message_id, m.status, m.created_at
        FROM messaging.messages m LEFT JOIN auth.users u ON u.id = m.sender_id
        WHERE m.id = p.earlier_id AND m.conversation_id = p.conversation_id
        LIMIT 1
      ) message
    ) END
  FROM placed p LEFT JOIN nothing_written ON TRUE
  ORDER BY p.place;
END $$;
