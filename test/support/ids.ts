/** Ids for tests of what only compares them: a word in the place of one reads better. */
import type { CanonicalId } from '../../src/shared/ids.ts';

export const standIn = (word: string): CanonicalId => word as CanonicalId;
