/** What a room keeps for the checks of `head-checks.ts`, so that these need no map of rooms. */
export interface Checked {
  /** Checks in a row that found nothing. */
  quiet: number;
  /** The interval in which it is due; `NONE`: it is due now, or is being asked about. */
  dueIn: number;
  /** Its head when it was last planned for. */
  head: number;
}

export const NONE = 0;

/** Where a new room begins. */
export const newChecked = (): Checked => ({ quiet: 0, dueIn: NONE, head: -1 });
