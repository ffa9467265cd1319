-- Conversations whose last message lies in the future (rows of an older service in local time, say)
-- would stand at the head of everybody's list until that time has come. They are listed as of now, in
-- their own order, a microsecond apart. What the messages themselves say is kept, and the writer gives
-- new ones the real time.
DO $$
DECLARE
  present TIMESTAMP;
BEGIN
  -- In the order the service locks in.
  PERFORM FROM messaging.conversations
  WHERE last_message_at > clock_timestamp() AT TIME ZONE 'UTC'
  ORDER BY id FOR NO KEY UPDATE;
  -- A send that was waited for is not in the future any more.
  present := clock_timestamp() AT TIME ZONE 'UTC';
  UPDATE messaging.conversations c
  SET last_message_at = present - ahead.place * interval '1 microsecond'
  FROM (
    SELECT id, row_number() OVER (ORDER BY last_message_at DESC, id DESC) AS place
    FROM messaging.conversations WHERE last_message_at > present
  ) ahead
  WHERE ahead.id = c.id;
END $$;
