/**
 * What every node must hear of people (sql/0011_notices.sql): written with the fact, in its
 * transaction, and read by each node until it has seen it.
 */
import { MAX_NOTICES_FORGOTTEN_AT_ONCE, NOTICE_FRESH_MS, NOTICE_LIFE_S } from '../bounds/store.ts';
import type { Notice, Store } from '../chat/ports.ts';
import type { Database, Sql } from './database.ts';

type NoticeReads = Pick<
  Store,
  'readNotices' | 'orderDisconnect' | 'noteUnheard' | 'forgetOldNotices'
>;

/** Writing, reading and forgetting notices. */
export function createNotices(database: Database): NoticeReads {
  return {
    readNotices: (since, backMs) => database.query((sql) => selectNotices(sql, since, backMs)),

    async orderDisconnect(userId) {
      await database.query(
        (sql) => sql`
          INSERT INTO messaging.notices (kind, user_id) VALUES ('disconnect', ${userId})`,
      );
    },

    async noteUnheard(nodeId, conversationIds) {
      await database.query((sql) =>
        conversationIds === null
          ? sql`INSERT INTO messaging.notices (kind, user_id) VALUES ('unheard', ${nodeId})`
          : sql`
              INSERT INTO messaging.notices (kind, user_id, conversation_id)
              SELECT 'unheard', ${nodeId}, id FROM unnest(${conversationIds}::uuid[]) AS id`,
      );
    },

    async forgetOldNotices() {
      await database.query(
        (sql) => sql`
          DELETE FROM messaging.notices WHERE id IN (
            SELECT id FROM messaging.notices
            WHERE made_at < clock_timestamp() - make_interval(secs => ${NOTICE_LIFE_S})
            ORDER BY id LIMIT ${MAX_NOTICES_FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED
          )`,
      );
    },
  };
}

async function selectNotices(sql: Sql, since: string | null, backMs: number) {
  // One statement, one snapshot: what is not in it belongs to a transaction that `next` covers.
  // Of those that tell to compare everything the last one of each node says all: while something holds the
  // horizon back, a forgotten prepared transaction perhaps, all of an hour are in every answer.
  const rows = await sql<({ next: string } & (Notice | { id: null }))[]>`
    WITH fresh AS (
      SELECT * FROM messaging.notices n WHERE ${
        since === null
          ? sql`n.made_at > clock_timestamp() - make_interval(secs => ${(NOTICE_FRESH_MS + backMs) / 1_000})`
          : sql`n.xid >= ${since}::text::xid8`
      }
    ), last AS (
      SELECT max(id) AS id FROM fresh WHERE kind = 'unheard' AND conversation_id IS NULL GROUP BY user_id
    )
    SELECT now.next, n.id, n.kind, n.user_id AS "userId", n.conversation_id AS "conversationId",
      n.members_version AS "membersVersion",
      (extract(epoch FROM clock_timestamp() - n.made_at) * 1000)::float8 AS "ageMs"
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS next) now
    LEFT JOIN fresh n
      ON n.kind <> 'unheard' OR n.conversation_id IS NOT NULL OR n.id IN (SELECT id FROM last)
    ORDER BY n.id`;
  const notices: Notice[] = [];
  for (const { next: _, ...row } of rows) if (row.id !== null) notices.push(row);
  return { notices, next: rows[0]?.next ?? '0' };
}
