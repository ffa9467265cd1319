-- A conversation's members_version grows with every change of its participants, whoever makes it:
-- also when the owner of auth.users deletes a user, which takes their participations along. Nodes
-- see from the version on each message whether their view of the members is still the right one.

CREATE OR REPLACE FUNCTION messaging.count_membership_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE messaging.conversations SET members_version = members_version + 1
  WHERE id IN (SELECT conversation_id FROM changed);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_membership_insert
  AFTER INSERT ON messaging.conversation_participants
  REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION messaging.count_membership_change();

CREATE OR REPLACE TRIGGER count_membership_delete
  AFTER DELETE ON messaging.conversation_participants
  REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION messaging.count_membership_change();
