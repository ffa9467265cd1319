-- messaging.messages as hash partitions by conversation, for a database that has outgrown one table
-- (bench/SCALE.md says when). Not a migration: nothing runs it by itself. On a migrated database,
-- with the service stopped:
--
--   PGOPTIONS='-c messaging.partitions=64' psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f deploy/partitioned.sql
--
-- Columns, indexes, constraints and their names stay, and the service runs on it unchanged
-- (test/store/partitioned.test.ts). Rows that are there are copied, which takes about as long as
-- dumping and loading them and needs the space twice; run again, it does nothing. One thing differs:
-- a unique key must contain the partition key, so the primary key is (id, conversation_id). PostgreSQL
-- then keeps an id single within its conversation only; over all of them it rests on ids being random
-- UUIDs of the service's own making. A reference from elsewhere needs both columns.
--
-- conversations and conversation_participants stay whole. They are small beside the messages, the
-- list of a person's conversations looks for a participant in all conversations at once, a match has
-- one conversation by a unique key without their id, and the writer locks by `id = ANY($1)`, which
-- PostgreSQL 15 does not prune when the plan is generic: every partition would be searched for every
-- id.
--
-- Few partitions: a generic plan locks all of them for each statement, whichever it then reads.

DO $$
DECLARE
  partitions INT := coalesce(nullif(current_setting('messaging.partitions', true), ''), '16')::int;
BEGIN
  IF (SELECT relkind FROM pg_class WHERE oid = 'messaging.messages'::regclass) = 'p' THEN
    RAISE NOTICE 'messaging.messages is partitioned already';
    RETURN;
  END IF;
  -- In the order the service locks in.
  LOCK TABLE messaging.conversations, messaging.conversation_participants, messaging.messages
    IN ACCESS EXCLUSIVE MODE;
  -- What the copy would lose without a word. Views and foreign keys of others make DROP TABLE fail.
  IF EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = 'messaging.messages'::regclass AND NOT tgisinternal
  ) OR (
    SELECT relacl IS NOT NULL FROM pg_class WHERE oid = 'messaging.messages'::regclass
  ) THEN
    RAISE EXCEPTION 'messaging.messages has triggers or privileges of its own: take them away first, and give them to the new table afterwards';
  END IF;

  ALTER TABLE messaging.messages RENAME TO messages_whole;
  CREATE TABLE messaging.messages (LIKE messaging.messages_whole INCLUDING DEFAULTS)
    PARTITION BY HASH (conversation_id);
  FOR n IN 0 .. partitions - 1 LOOP
    -- Storage parameters are each partition's own.
    EXECUTE format(
      'CREATE TABLE messaging.%I PARTITION OF messaging.messages
         FOR VALUES WITH (MODULUS %s, REMAINDER %s) WITH (fillfactor = 90)',
      'messages_p' || n, partitions, n);
  END LOOP;
  INSERT INTO messaging.messages SELECT * FROM messaging.messages_whole;
  DROP TABLE messaging.messages_whole;

  -- After the rows: built in one go. id first, so that a message can be looked up by its id alone
  -- (in every partition; only the outcome of a COMMIT whose answer was lost is found like that).
  ALTER TABLE messaging.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id, conversation_id),
    ADD CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id)
      REFERENCES messaging.conversations (id) ON DELETE CASCADE,
    ADD CONSTRAINT messages_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES auth.users (id);
  CREATE UNIQUE INDEX idx_messages_conversation_id
    ON messaging.messages (conversation_id, seq) INCLUDE (sender_id);
  CREATE UNIQUE INDEX messages_client_message_id_key
    ON messaging.messages (conversation_id, sender_id, client_message_id)
    WHERE client_message_id IS NOT NULL;
  CREATE INDEX idx_messages_created_at ON messaging.messages (created_at DESC);
END $$;

ANALYZE messaging.messages;
