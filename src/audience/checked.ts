/** What a room keeps for the checks of `head-checks.ts`, so that these need no map of rooms. */
export interface Checked {
  /** Checks in a row that found nothing. */
  quiet: number;
  /** The interval in which it is due; `DUE`: it waits to be asked for; `ASKED`: it is being asked for. */
  dueIn: number;
  /** Its head when it was last planned for. */
  head: number;
}

export const ASKED = 0;
export const DUE = -1;

/** Where a new room begins. */
export const newChecked = (): Checked => ({ quiet: 0, dueIn: ASKED, head: -1 });
