/** All abusers by name, in the order in which they are measured. */
import type { Abuser } from './abuser.ts';
import { everyLimit } from './every-limit.ts';
import { fanOut } from './fan-out.ts';
import { halfSent } from './half-sent.ts';
import { largeLists } from './large-lists.ts';
import { lockedRows } from './locked-rows.ts';
import { marks } from './marks.ts';
import { openRoutes } from './open-routes.ts';
import { unreadJoins } from './unread-joins.ts';
import { wrongTokens } from './wrong-tokens.ts';

export const ABUSERS = {
  'every limit': everyLimit,
  'half-sent packets': halfSent,
  'locked rows': lockedRows,
  'joins with much unread': unreadJoins,
  'large lists': largeLists,
  marks,
  'wrong tokens': wrongTokens,
  'open routes': openRoutes,
  'fan-out': fanOut,
} satisfies Record<string, Abuser>;

export type AbuserName = keyof typeof ABUSERS;

export const ABUSER_NAMES = Object.keys(ABUSERS) as AbuserName[];

export function isAbuserName(name: string): name is AbuserName {
  return Object.hasOwn(ABUSERS, name);
}
