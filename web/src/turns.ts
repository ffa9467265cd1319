/** When things are done: once in a turn, or one at a time. */

/** @returns asks for `work`: however often it is asked in a turn, it is done once, at the turn's end */
export function onceATurn(work: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    queueMicrotask(() => {
      asked = false;
      work();
    });
  };
}

/**
 * @param onEnd called whenever something has ended, also when it threw
 * @returns runs `work` unless work of this kind for this id is under way
 */
export function oneAtATime(onEnd: () => void) {
  const busy = new Set<string>();
  return async (kind: string, id: string, work: () => Promise<void>): Promise<void> => {
    const key = `${kind} ${id}`;
    if (busy.has(key)) return;
    busy.add(key);
    try {
      await work();
    } finally {
      busy.delete(key);
      onEnd();
    }
  };
}
