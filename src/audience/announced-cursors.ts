/**
 * How far each person's cursors have been announced in one room. Two nodes, or two transactions of
 * one node, may announce a person's moves in either order; a cursor only rises, so an announcement
 * that comes after a later one is dropped and clients never see a mark fall.
 */
import type { CanonicalId } from '../shared/ids.ts';

export type CursorKind = 'read' | 'delivered';

/** The cursors one room's members have heard of; one object for each room. */
export class AnnouncedCursors {
  // Made with the first mark: most rooms never see one. At most two entries for each participant.
  #places: Map<string, number> | undefined;

  /** Starts anew, because PostgreSQL has gone back: cursors may stand lower than was announced. */
  forget(): void {
    this.#places = undefined;
  }

  /** Notes that the cursor stands at `seq`; false when it has been announced that far before. */
  rise(kind: CursorKind, userId: CanonicalId, seq: number): boolean {
    this.#places ??= new Map();
    const key = `${kind} ${userId}`;
    if (seq <= (this.#places.get(key) ?? 0)) return false;
    this.#places.set(key, seq);
    return true;
  }
}
