-- Other services insert and delete rows that our triggers follow (a user is deleted, a match, participants
-- of an old service), under roles that need have no right on our other columns and tables, and with
-- whatever search_path: the functions work with their owner's rights, and find nothing by a path.
ALTER FUNCTION messaging.place_conversation() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION messaging.place_participant() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION messaging.count_membership_change() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
