/**
 * Which gaps are still to be told: to the listener of this node, and to the other nodes, where payloads of
 * this one were lost.
 *
 * Guarantees: nobody is told before a probe has gone round the link, so that what is read then is not missed
 * again; after a loss of the link the listener is told at once, and while it stays up no more often than once
 * in `intervalMs`, since each notice makes every node read from PostgreSQL.
 */

export interface GapNoticesDeps {
  /** The least time between notices while the link stays up. */
  intervalMs: number;
  /** Tells this node's listener that payloads for it may have been missed. */
  tellListener(): void;
  /** Tells the other nodes that payloads of this one may be missing; goes by the same pipe that lost them. */
  tellOthers(): void;
}

export interface GapNotices {
  /** To be called when payloads for this node may have been missed. */
  owe(): void;
  /** To be called when payloads of this node went nowhere: the others, whose links may be fine, are told, too. */
  oweAll(): void;
  /** To be called when a probe has gone round: now what is owed is told. */
  proven(isBack: boolean): void;
  /** How often the listener was told. */
  count(): number;
}

/** The notices of one bus; none is owed at first. */
export function createGapNotices(deps: GapNoticesDeps): GapNotices {
  let isOwed = false;
  let isOwedToOthers = false;
  let lastAtMs = Number.NEGATIVE_INFINITY;
  let count = 0;

  return {
    owe() {
      isOwed = true;
    },
    oweAll() {
      isOwed = true;
      isOwedToOthers = true;
    },
    proven(isBack) {
      if (isOwedToOthers) {
        isOwedToOthers = false;
        deps.tellOthers();
      }
      const nowMs = performance.now();
      if (!isOwed || !(isBack || nowMs - lastAtMs >= deps.intervalMs)) return;
      isOwed = false;
      lastAtMs = nowMs;
      count += 1;
      deps.tellListener();
    },
    count: () => count,
  };
}
