/**
 * Compares rooms with PostgreSQL, because the bus may lose what it likes, the last message of a conversation
 * too, behind which no hole shows.
 *
 * Guarantees: a room is compared within two intervals of its last message, and again after 1, 1, 2, 4 … intervals,
 * up to `MAX_HEAD_CHECK_PAUSE`, while nothing moves in it; a busy one shows by its next message what is missing.
 * All of them are compared at once, and from there on as if they had just moved, when `all` says that something
 * may be lost; at every interval while others are not heard; and at the next one after a connection to PostgreSQL
 * was lost or a comparison failed, since it may have gone back without another name (epoch.ts). What is due first
 * is compared first, however much more becomes due meanwhile. One question at least goes out at every
 * interval, also with nobody here: it tells which database this is, too.
 *
 * What it costs goes by the rooms that are due: others are not looked at.
 */
import { MAX_HEAD_CHECK_PAUSE } from '../bounds/audience.ts';
import type { Store } from '../chat/ports.ts';
import type { Beat } from '../shared/beat.ts';
import { ASKED, DUE } from './checked.ts';
import type { Room } from './room.ts';

export interface HeadChecksDeps {
  store: Pick<Store, 'readMoved'>;
  beat: Beat;
  /** Those that are open now, by conversation. */
  rooms: ReadonlyMap<string, Room>;
  /** Whether it is known that others are not heard: all of them, or some. */
  isDeaf(): boolean;
  /** How many connections to PostgreSQL were lost so far. */
  connectionsLost(): number;
  limits: {
    headCheckIntervalMs: number;
    /** Conversations asked for in one query. */
    headCheckBatch: number;
  };
  log: { debug(fields: object, message: string): void };
}

export interface HeadCheckStats {
  headChecks: number;
  headCheckFailures: number;
  /** Conversations that were compared. */
  headsCompared: number;
}

export interface HeadChecks {
  readonly stats: HeadCheckStats;
  /** To be called when a room is opened. */
  opened(room: Room): void;
  /** To be called when a room moves in which nothing had for some time. */
  moved(room: Room): void;
  /** Compares one room at the next interval, because something in it may be lost. */
  suspect(room: Room): void;
  /** Compares one room now; for what comes rarely, as each may be a question of its own. */
  compare(room: Room): void;
  /** Compares all rooms now, because something may be lost. */
  all(): void;
  close(): void;
}

/** The checks of the rooms of a node, at every interval until `close`. */
export function createHeadChecks(deps: HeadChecksDeps): HeadChecks {
  const { store, rooms, isDeaf, connectionsLost, limits, log } = deps;
  const stats: HeadCheckStats = { headChecks: 0, headCheckFailures: 0, headsCompared: 0 };
  /** By interval, the rooms that are due in it; of those that were planned anew some more. */
  const ring: Room[][] = Array.from({ length: MAX_HEAD_CHECK_PAUSE + 1 }, () => []);
  let interval = 1;
  /** In the order in which they are asked for; each once. */
  const due: Room[] = [];
  /** Whether the last comparison failed: PostgreSQL may be another one when it is back. */
  let failed = false;
  let lostBefore = connectionsLost();
  let turns = 0;
  let running = false;
  let closed = false;

  function plan(room: Room, pause: number): void {
    const { checked } = room;
    checked.dueIn = interval + pause;
    checked.head = room.head;
    ring[checked.dueIn % ring.length]?.push(room);
  }

  /** How many intervals later: less than the pause at times, so that rooms that fell silent together part. */
  function pauseOf(quiet: number): number {
    const pause = Math.min(2 ** Math.max(quiet - 1, 0), MAX_HEAD_CHECK_PAUSE);
    turns += 1;
    return pause - (turns % (Math.floor(pause / 4) + 1));
  }

  function becomeDue(room: Room): void {
    if (room.checked.dueIn === DUE) return;
    room.checked.dueIn = DUE;
    due.push(room);
  }

  const endBeat = deps.beat.every(limits.headCheckIntervalMs, () => {
    interval += 1;
    const at = interval % ring.length;
    const planned = ring[at] ?? [];
    ring[at] = [];
    for (const room of planned) {
      const { checked } = room;
      if (checked.dueIn !== interval || rooms.get(room.conversationId) !== room) continue;
      if (room.head !== checked.head || !room.opened) {
        // What came in its turn shows that nothing before it is missing; and to open it PostgreSQL was asked.
        plan(room, 1);
      } else {
        becomeDue(room);
      }
    }
    const lost = connectionsLost();
    if (isDeaf() || failed || lost !== lostBefore) everything();
    lostBefore = lost;
    runUnlessRunning();
  });

  /** Those that wait keep their places: none comes last again and again while a pass takes long. */
  function everything(): void {
    for (const room of rooms.values()) {
      room.checked.quiet = 0;
      becomeDue(room);
    }
  }

  function runUnlessRunning(): void {
    if (!running && !closed) void run();
  }

  async function run(): Promise<void> {
    running = true;
    try {
      do {
        const batch = due.splice(0, limits.headCheckBatch);
        for (const { checked } of batch) checked.dueIn = ASKED;
        await check(batch.filter((room) => rooms.get(room.conversationId) === room));
      } while (!closed && !failed && due.length > 0);
    } finally {
      running = false;
    }
  }

  async function check(batch: readonly Room[]): Promise<void> {
    // One that is opening has PostgreSQL's word coming.
    const asked = batch.filter((room) => room.opened);
    const known = asked.map(({ conversationId, head, members }) => {
      return { conversationId, lastSeq: head, membersVersion: members.version };
    });
    try {
      const { moved, gone } = await store.readMoved(known);
      if (closed) return;
      failed = false;
      stats.headChecks += 1;
      stats.headsCompared += known.length;
      const before = new Map(known.map((head) => [head.conversationId, head]));
      const found = new Set<Room>();
      for (const now of moved) {
        const { conversationId, lastSeq, membersVersion } = now;
        const then = before.get(conversationId);
        const room = rooms.get(conversationId);
        if (then === undefined || room === undefined) continue;
        found.add(room);
        // Compared with what was said when PostgreSQL was asked: the room may have gone on since.
        if (lastSeq < then.lastSeq || membersVersion < then.membersVersion) room.doubt();
        else room.noticeHead(lastSeq, membersVersion);
      }
      for (const id of gone) rooms.get(id)?.doubt();
      asked.forEach((room, index) => {
        // It has become due again meanwhile: this answer may be older than the reason.
        if (room.checked.dueIn !== ASKED) return;
        const isQuiet = !found.has(room) && room.head === known[index]?.lastSeq;
        room.checked.quiet = isQuiet ? room.checked.quiet + 1 : 0;
        plan(room, pauseOf(room.checked.quiet));
      });
      for (const room of batch) if (room.checked.dueIn === ASKED) plan(room, 1);
    } catch (error) {
      failed = true;
      stats.headCheckFailures += 1;
      log.debug({ err: error }, 'head check failed; at the next interval everything is compared');
    }
  }

  return {
    stats,
    opened: (room) => plan(room, 1),
    moved(room) {
      room.checked.quiet = 0;
      if (room.checked.dueIn > interval + 1) plan(room, 1);
    },
    suspect(room) {
      room.checked.quiet = 0;
      if (room.checked.dueIn !== DUE) plan(room, 1);
    },
    compare(room) {
      room.checked.quiet = 0;
      becomeDue(room);
      runUnlessRunning();
    },
    all() {
      everything();
      runUnlessRunning();
    },
    close() {
      closed = true;
      endBeat();
    },
  };
}
