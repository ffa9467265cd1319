-- The given tables, on a database that may be empty or may hold them already with rows.
-- Tables of other services (auth.users, requests.matches) are created only where missing, are never
-- altered, and must offer what foreign keys and name look-ups need: otherwise one clear error.

-- Schemas are looked for first: CREATE SCHEMA IF NOT EXISTS needs a privilege even when it exists.
DO $$
BEGIN
  IF to_regnamespace('messaging') IS NULL THEN CREATE SCHEMA messaging; END IF;

  IF to_regclass('auth.users') IS NULL THEN
    IF to_regnamespace('auth') IS NULL THEN CREATE SCHEMA auth; END IF;
    CREATE TABLE auth.users (id UUID PRIMARY KEY, name TEXT);
  END IF;

  IF to_regclass('requests.matches') IS NULL THEN
    IF to_regnamespace('requests') IS NULL THEN CREATE SCHEMA requests; END IF;
    CREATE TABLE requests.matches (id UUID PRIMARY KEY);
  END IF;
END $$;

DO $$
DECLARE
  foreign_table TEXT;
BEGIN
  FOREACH foreign_table IN ARRAY ARRAY['auth.users', 'requests.matches'] LOOP
    IF NOT EXISTS (
      SELECT FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid
      WHERE a.attrelid = to_regclass(foreign_table) AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype
        AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
    ) THEN
      RAISE EXCEPTION '% exists but has no column "id" of type uuid with a primary key or unique constraint: messaging tables cannot refer to it', foreign_table;
    END IF;
  END LOOP;
  IF NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('auth.users') AND attname = 'name' AND NOT attisdropped
  ) THEN
    RAISE EXCEPTION 'auth.users exists but has no column "name": sender and participant names are read from it';
  END IF;
END $$;

-- uuid_generate_v4() must be found by the defaults below: the extension where the server has it and
-- the role may create it, else a function of the same name over the built-in generator. Defaults
-- refer to the function itself, so later sessions need no search path for it.
DO $$
BEGIN
  IF to_regprocedure('uuid_generate_v4()') IS NULL
     AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
    BEGIN
      CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
      RAISE NOTICE 'the extension uuid-ossp cannot be created here: %', SQLERRM;
    END;
  END IF;
  IF to_regprocedure('uuid_generate_v4()') IS NULL THEN
    -- Last on the path: it is only taken when no other schema may hold the function.
    PERFORM set_config('search_path',
      concat_ws(', ', nullif(current_setting('search_path'), ''), 'messaging'), true);
    BEGIN
      CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT gen_random_uuid()';
    EXCEPTION WHEN insufficient_privilege THEN
      CREATE FUNCTION messaging.uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT gen_random_uuid()';
    END;
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS messaging.conversations (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  request_match_id UUID REFERENCES requests.matches(id) ON DELETE CASCADE,
  last_message_at TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS messaging.conversation_participants (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  conversation_id UUID NOT NULL REFERENCES messaging.conversations(id) ON DELETE CASCADE,
  participant_id UUID NOT NULL REFERENCES auth.users(id) ON DELETE CASCADE,
  UNIQUE(conversation_id, participant_id)
);

CREATE TABLE IF NOT EXISTS messaging.messages (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  sender_id UUID NOT NULL REFERENCES auth.users(id),
  conversation_id UUID NOT NULL REFERENCES messaging.conversations(id) ON DELETE CASCADE,
  content TEXT NOT NULL,
  status VARCHAR(50) DEFAULT 'sent',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_messages_created_at ON messaging.messages (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_conversation_participants_user
  ON messaging.conversation_participants (participant_id);
