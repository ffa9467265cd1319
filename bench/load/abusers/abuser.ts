/**
 * What an abuser is: what it needs to find, what it tries how often, and what must come of it. Each
 * has a file here, and its name in all.ts.
 */
import type postgres from 'postgres';
import { conversationId, userId } from '../ids.ts';

/** Beyond all ids of other people and rooms. */
const FIRST = 0x500000;
/** The abuser, and people of the abuser's own: 1, 2, … */
export const abuserId = (n = 0): string => userId(FIRST + n);
/** Conversations of the abuser's own; there is the first, with the abuser alone in it. */
export const abusedId = (n = 0): string => conversationId(FIRST + n);

/** A server that is abused. */
export interface AbusePlace {
  port: number;
  databaseUrl: string;
  /** The secret with which the server's tokens are signed. */
  tokenSecret: string;
}

/** Says how an attempt has ended; once for each that was made. */
export type Tell = (kind: string, outcome: string) => void;

export interface Abuser {
  /**
   * Attempts a second of each kind, however they end. A rate, since server, PostgreSQL and all clients
   * share the machine: without one it would only show that its cores can be used up.
   */
  perSecond: Readonly<Record<string, number>>;
  /** Outcomes, as `send rate_limited`, of which there must be some, or nothing was shown. */
  mustCome: readonly string[];
  /**
   * Puts what it needs into the database, which has the abuser and the first conversation.
   *
   * @param scale 1 in a full run
   * @returns how many messages it has stored
   */
  fill?(sql: postgres.Sql, scale: number): Promise<number>;
  /** @param ending aborted when no more attempts are made, before those under way are waited for */
  begin(place: AbusePlace, tell: Tell, ending: AbortSignal): Abusing | Promise<Abusing>;
}

export interface Abusing {
  /** Kind of attempt → what makes the n-th one; false: it could not be made now. */
  attempt: Readonly<Record<string, (n: number) => boolean>>;
  /** Lets go of everything. */
  end(): void | Promise<void>;
}

const CODES: Record<string, string> = {
  401: 'unauthenticated',
  429: 'rate_limited',
  503: 'unavailable',
};

/** The code in a refusal, or what its HTTP status stands for. */
export function codeOf(text: string): string {
  const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? '';
  return /"code":"(\w+)"/.exec(text)?.[1] ?? CODES[status] ?? (status || 'failed');
}
