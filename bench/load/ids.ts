/** The ids of the bench's people and conversations; the same in every database. */

/** The id of the n-th user. */
export const userId = (n: number): string =>
  `a0000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

/** The id of the n-th conversation. */
export const conversationId = (n: number): string =>
  `c0000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
