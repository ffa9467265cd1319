/**
 * What the bus may have lost besides messages, found in PostgreSQL: notices (who was added or removed,
 * whose connections are to be ended) at a fixed interval, and cursors after a gap.
 */
import type { Notice, Store } from '../chat/ports.ts';
import type { createAnnouncer } from './announcer.ts';
import { FIRST_MEMBERS_VERSION } from './membership-news.ts';
import type { Rooms } from './rooms.ts';
import type { UserSockets } from './user-sockets.ts';

export interface CatchUpDeps {
  store: Pick<Store, 'readNotices' | 'forgetOldNotices' | 'readCursors' | 'readConversation'>;
  rooms: Pick<Rooms, 'open' | 'size'>;
  users: Pick<UserSockets, 'has' | 'size' | 'disconnectOlder'>;
  announcer: Pick<ReturnType<typeof createAnnouncer>, 'here'>;
  intervalMs: number;
  log: { debug(fields: object, message: string): void };
}

const FORGET_EVERY_CHECKS = 60;
/** Conversations whose cursors are asked for in one query. */
const CURSOR_BATCH = 500;

export function createCatchUp(deps: CatchUpDeps) {
  const { store, rooms, users, announcer, intervalMs, log } = deps;
  const stats = { checks: 0, failures: 0 };
  let since: string | null = null;
  /** Of the last answer: the next one may hold them again. */
  let seen = new Set<number>();
  let running: Promise<void> | null = null;
  let again = false;
  let closed = false;

  async function readNotices(): Promise<void> {
    const { notices, next } = await store.readNotices(since);
    const answeredAt = performance.now();
    const before = seen;
    seen = new Set(notices.map(({ id }) => id));
    since = next;
    for (const notice of notices) {
      if (closed) return;
      if (!before.has(notice.id)) await take(notice, answeredAt);
    }
  }

  async function take(notice: Notice, answeredAt: number): Promise<void> {
    const { userId } = notice;
    const atMs = answeredAt - notice.ageMs;
    if (notice.kind === 'disconnect') {
      // Who has come back since is meant no more. By the time of the answer, so that nobody is spared who
      // was there: it is late by the way of the answer, and who came in just then is ended too.
      users.disconnectOlder(userId, atMs);
      return;
    }
    const { kind, conversationId, membersVersion } = notice;
    if (kind === 'added' && membersVersion === FIRST_MEMBERS_VERSION) {
      if (!users.has(userId)) return;
      const conversation = await store.readConversation(conversationId);
      if (conversation !== null) announcer.here.conversationCreated(conversation, userId, atMs);
      return;
    }
    announcer.here.memberChanged(kind, { conversationId, userId, membersVersion }, atMs);
  }

  async function check(): Promise<void> {
    if (users.size() === 0 && rooms.size() === 0) {
      // Nobody to tell; whoever comes is told what happens from then on.
      since = null;
      return;
    }
    await readNotices();
    stats.checks += 1;
    if (stats.checks % FORGET_EVERY_CHECKS === 0) await store.forgetOldNotices();
  }

  function checkNow(): void {
    if (running !== null || closed) {
      again = true;
      return;
    }
    again = false;
    running = check()
      .catch((error: unknown) => {
        stats.failures += 1;
        log.debug({ err: error }, 'notices could not be read; the next check is due soon');
      })
      .finally(() => {
        running = null;
        if (again && !closed) checkNow();
      });
  }

  async function catchUpCursors(): Promise<void> {
    const ids = [...rooms.open()].map(({ conversationId }) => conversationId);
    for (let at = 0; at < ids.length && !closed; at += CURSOR_BATCH) {
      const cursors = await store.readCursors(ids.slice(at, at + CURSOR_BATCH));
      for (const cursor of cursors) announcer.here.cursorsMoved(cursor);
    }
  }

  const timer = setInterval(() => {
    if (running === null) checkNow();
  }, intervalMs);
  timer.unref();

  return {
    stats,

    /** The bus works again and may have lost anything. */
    afterGap(): void {
      checkNow();
      catchUpCursors().catch((error: unknown) => {
        log.debug({ err: error }, 'cursors could not be read; the next mark says it again');
      });
    },

    /** PostgreSQL has gone back or is another one: its transactions count anew. */
    startAnew(): void {
      since = null;
      seen.clear();
    },

    close(): void {
      closed = true;
      clearInterval(timer);
    },
  };
}
