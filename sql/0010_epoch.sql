-- Who this database is. A node that finds another answer than before talks to another database, to
-- one that was restored, or to a server that took over, perhaps without the last commits: then what
-- the node remembers of positions is compared with PostgreSQL before anything newer is delivered.

CREATE TABLE IF NOT EXISTS messaging.deployment (
  -- One row for ever.
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  id UUID NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO messaging.deployment DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The row travels with dumps and replicas; what is beside it changes when they are put into use:
-- the server's identity and timeline (a standby that was promoted), the database and the table (a dump
-- that was restored into the same server), the table's file (rows replaced by TRUNCATE and COPY).
-- Where a provider keeps one of these functions to itself, the rest still speaks.
CREATE OR REPLACE FUNCTION messaging.epoch() RETURNS TEXT LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  server TEXT := '';
  timeline TEXT := '';
BEGIN
  BEGIN
    server := (SELECT system_identifier::text FROM pg_catalog.pg_control_system());
  EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_function THEN NULL;
  END;
  BEGIN
    IF NOT pg_catalog.pg_is_in_recovery() THEN
      timeline := substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8);
    END IF;
  EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_function THEN NULL;
  END;
  RETURN (
    SELECT substr(md5(concat_ws(' ', deployment.id, server, timeline, database.oid, conversations.oid,
      pg_catalog.pg_relation_filenode(conversations.oid))), 1, 16)
    FROM messaging.deployment deployment, pg_catalog.pg_database database, pg_catalog.pg_class conversations
    WHERE database.datname = current_database()
      AND conversations.oid = to_regclass('messaging.conversations')
  );
END $$;

-- Positions that sockets have heard and PostgreSQL has lost since. A client that comes back with one of
-- them cannot be told from one that has heard what took its place: it is told to read again.
CREATE TABLE IF NOT EXISTS messaging.lost_futures (
  conversation_id UUID PRIMARY KEY REFERENCES messaging.conversations(id) ON DELETE CASCADE,
  after_seq BIGINT NOT NULL,
  up_to_seq BIGINT NOT NULL,
  noticed_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
