/**
 * Things that are due at some time, the earliest first: for many waits that one timer can serve. This is
 * the order alone and reads no clock; `deadline-timer.ts` waits.
 *
 * Most waits are put off or called off before they are over, so both only make a note: an item stays where
 * it is in the heap until it comes to the front, and is then put where it belongs, or thrown away.
 *
 * With n items: `set` is O(1) when it puts an item off, or is of the latest time yet (so always where all
 * wait equally long), else O(log n); `delete` is O(1), `takeDue` and `nextAt` are O(log n), amortised.
 * An item that is gone is let go of at once; of empty places there are no more than of others, and a few.
 */

/** `at` is in whatever unit the caller counts: milliseconds of some clock, ticks. */
export interface DeadlineQueue<T extends NonNullable<unknown>> {
  readonly size: number;
  has(item: T): boolean;
  /** Notes that `item` is due at `at`, whatever was said of it before. */
  set(item: T, at: number): void;
  /** Takes `item` out; returns whether it was waiting. */
  delete(item: T): boolean;
  clear(): void;
  /** When the first item is due; undefined when there is none. */
  nextAt(): number | undefined;
  /**
   * Takes out the item that was due first, if it is due at `now`; undefined when none is. Where several
   * were due at the same time, the one that was `set` first.
   */
  takeDue(now: number): T | undefined;
  /** All items, in the order in which they came. */
  items(): IterableIterator<T>;
}

interface Place<T> {
  /** Undefined: it has been deleted, or has another place. */
  item: T | undefined;
  /** When it is due, and how many were set before it. */
  at: number;
  order: number;
  /** When it was due as it was put where it is in the heap: never later than it is due now. */
  heapAt: number;
  heapOrder: number;
}

/** So few empty places are never cleared away. */
const SPARE_PLACES = 32;

/** An empty queue. */
export function createDeadlineQueue<T extends NonNullable<unknown>>(): DeadlineQueue<T> {
  const places = new Map<T, Place<T>>();
  /** A binary heap: no place is later than the two below it. Some may be empty. */
  let heap: Place<T>[] = [];
  let order = 0;

  function siftUp(place: Place<T>, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(place, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = place;
  }

  function siftDown(place: Place<T>, from: number): void {
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const other = heap[below + 1];
      if (other !== undefined && isBefore(other, child)) {
        below += 1;
        child = other;
      }
      if (!isBefore(child, place)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = place;
  }

  function removeFirst(): void {
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) siftDown(last, 0);
  }

  /** The place of the first item that is due, which is at the front from now on. */
  function first(): Place<T> | undefined {
    for (let place = heap[0]; place !== undefined; place = heap[0]) {
      if (place.item === undefined) {
        removeFirst();
      } else if (place.heapOrder !== place.order) {
        place.heapAt = place.at;
        place.heapOrder = place.order;
        siftDown(place, 0);
      } else {
        return place;
      }
    }
    return undefined;
  }

  function vacate(place: Place<T>): void {
    place.item = undefined;
    if (heap.length <= 2 * places.size + SPARE_PLACES) return;
    heap = [];
    for (const place of places.values()) {
      place.heapAt = place.at;
      place.heapOrder = place.order;
      heap.push(place);
    }
    for (let at = (heap.length >> 1) - 1; at >= 0; at -= 1) {
      const place = heap[at];
      if (place !== undefined) siftDown(place, at);
    }
  }

  return {
    get size() {
      return places.size;
    },
    has: (item) => places.has(item),
    set(item, at) {
      order += 1;
      const known = places.get(item);
      if (known !== undefined && at >= known.heapAt) {
        known.at = at;
        known.order = order;
        return;
      }
      const place = { item, at, order, heapAt: at, heapOrder: order };
      places.set(item, place);
      siftUp(place, heap.length);
      if (known !== undefined) vacate(known);
    },
    delete(item) {
      const place = places.get(item);
      if (place === undefined) return false;
      places.delete(item);
      vacate(place);
      return true;
    },
    clear() {
      places.clear();
      heap = [];
    },
    nextAt: () => first()?.at,
    takeDue(now) {
      const place = first();
      if (place?.item === undefined || place.at > now) return undefined;
      removeFirst();
      places.delete(place.item);
      return place.item;
    },
    items: () => places.keys(),
  };
}

function isBefore<T>(one: Place<T>, other: Place<T>): boolean {
  return (
    one.heapAt < other.heapAt || (one.heapAt === other.heapAt && one.heapOrder < other.heapOrder)
  );
}
