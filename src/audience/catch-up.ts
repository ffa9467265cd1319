/**
 * What the bus may have lost besides messages, found in PostgreSQL: notices (who was added or removed,
 * whose connections are to be ended, what another node could not tell) at a fixed interval, and cursors after a gap.
 */
import { CURSOR_BATCH, FORGET_EVERY_CHECKS } from '../bounds/audience.ts';
import type { Notice, Store } from '../chat/ports.ts';
import type { Beat } from '../shared/beat.ts';
import type { createAnnouncer } from './announcer.ts';
import { FIRST_MEMBERS_VERSION } from './membership-news.ts';
import type { Rooms } from './rooms.ts';
import type { UserSockets } from './user-sockets.ts';

export interface CatchUpDeps {
  store: Pick<Store, 'readNotices' | 'forgetOldNotices' | 'readCursors' | 'readConversation'>;
  rooms: Pick<Rooms, 'open' | 'size' | 'checkAll' | 'compare'>;
  users: Pick<UserSockets, 'has' | 'size' | 'disconnectOlder'>;
  announcer: Pick<ReturnType<typeof createAnnouncer>, 'here'>;
  /** This node's name. */
  nodeId: string;
  /** When notices are looked for, and how often. */
  beat: Beat;
  intervalMs: number;
  log: { debug(fields: object, message: string): void };
}

/** Looks for notices every `intervalMs`, from now until `close`. */
export function createCatchUp(deps: CatchUpDeps) {
  const { store, rooms, users, announcer, nodeId, beat, intervalMs, log } = deps;
  const stats = { checks: 0, failures: 0 };
  let since: string | null = null;
  /** The notices that were taken of the last answer: the next one may hold them again. */
  let seen = new Set<number>();
  /** When all notices there were had been taken; null: nobody here depends on what was before. */
  let completeAtMs: number | null = null;
  /** Grows when PostgreSQL is another one: what the one before answered counts no more. */
  let era = 0;
  let running: Promise<void> | null = null;
  let again = false;
  let closed = false;

  async function readNotices(): Promise<void> {
    const began = era;
    const askedAt = performance.now();
    const backMs = completeAtMs === null ? 0 : askedAt - completeAtMs;
    const { notices, next } = await store.readNotices(since, backMs);
    const answeredAt = performance.now();
    // Once for all that tell so: each time is a look at every room.
    if (notices.some((notice) => !seen.has(notice.id) && isOfAll(notice))) rooms.checkAll();
    const taken = new Set<number>();
    let failure: unknown;
    for (const notice of notices) {
      if (closed || era !== began) return;
      try {
        if (!seen.has(notice.id)) await take(notice, answeredAt);
        taken.add(notice.id);
      } catch (error) {
        // It is read again at the next check; those behind it, orders perhaps, do not wait for it.
        failure = error;
      }
    }
    if (era !== began) return;
    seen = taken;
    if (failure !== undefined) throw failure;
    since = next;
    completeAtMs = askedAt;
  }

  /** Another node tells that something is lost, it does not know in which conversations. */
  function isOfAll(notice: Notice): boolean {
    return notice.kind === 'unheard' && notice.conversationId === null && notice.userId !== nodeId;
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
    if (notice.kind === 'unheard') {
      if (userId !== nodeId && notice.conversationId !== null) rooms.compare(notice.conversationId);
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
      completeAtMs = null;
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

  const endBeat = beat.every(intervalMs, () => {
    if (running === null) checkNow();
  });

  return {
    stats,

    /** To be called when the bus works again: it may have lost anything. */
    afterGap(): void {
      checkNow();
      catchUpCursors().catch((error: unknown) => {
        log.debug({ err: error }, 'cursors could not be read; the next mark says it again');
      });
    },

    /** To be called when PostgreSQL has gone back or is another one: its transactions count anew. */
    startAnew(): void {
      era += 1;
      since = null;
      seen.clear();
    },

    close(): void {
      closed = true;
      endBeat();
    },
  };
}
