/**
 * Messages that somebody else's lock holds up, apart from the writer's lanes: tried again on a lane of
 * their own until they are stored, refused, or their senders answered.
 *
 * Guarantees: whoever holds a lock holds up what needs it and nothing else; a conversation that was
 * set aside stays taken, so that its later messages come after these; the tickets of a conversation
 * stay together and in their order. In which order things are tried: see lock-waits.
 */
import type { CanonicalId } from '../shared/ids.ts';
import type { Ticket } from './append-queue.ts';
import type { HeldUp } from './append-retry.ts';
import { lockPauseMs } from './lock-waits.ts';

/** Tickets tried together. */
interface Party {
  readonly cause: keyof HeldUp;
  readonly tickets: readonly Ticket[];
  /** How often they were found locked here. */
  readonly tries: number;
  readonly dueAt: number;
}

const NONE: HeldUp = { locked: [], timedOut: [] };

export interface AsideDeps {
  /** Most tickets tried together. */
  maxBatch: number;
  /** One attempt; resolves with what is held up still. Never rejects. */
  attempt(tickets: readonly Ticket[], waits: boolean): Promise<HeldUp>;
  /** Told of tickets that are held up no longer. */
  onThrough(tickets: readonly Ticket[]): void;
}

export interface Aside {
  /** Takes tickets of one batch: with a conversation, all of it that is in flight. */
  put(heldUp: HeldUp): void;
  has(conversationId: CanonicalId): boolean;
  /** Conversations set aside. */
  size(): number;
  /** Tries nothing any more. */
  close(): void;
}

/** What is set aside of one writer; nothing yet. */
export function createAside({ maxBatch, attempt, onThrough }: AsideDeps): Aside {
  const conversations = new Set<string>();
  let parties: Party[] = [];
  let trying = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  function put({ locked, timedOut }: HeldUp): void {
    for (const { draft } of [...locked, ...timedOut]) conversations.add(draft.conversationId);
    add('locked', locked, 0);
    addTimedOut(timedOut, 0);
    void tryDue();
  }

  function add(cause: Party['cause'], tickets: readonly Ticket[], tries: number): void {
    if (tickets.length === 0) return;
    const pauseMs = tries === 0 ? 0 : lockPauseMs(tries);
    parties.push({ cause, tickets, tries, dueAt: performance.now() + pauseMs });
  }

  /** Which of them waited is not known: halving finds it, and the others are stored without it. */
  function addTimedOut(tickets: readonly Ticket[], tries: number): void {
    const middle = middleOf(tickets);
    if (middle === 0) add('timedOut', tickets, tries + 1);
    else {
      add('timedOut', tickets.slice(0, middle), tries);
      add('timedOut', tickets.slice(middle), tries);
    }
  }

  async function tryDue(): Promise<void> {
    if (trying) return;
    trying = true;
    clearTimeout(timer);
    for (let party = takeDue(); party !== undefined; party = takeDue()) await tryParty(party);
    trying = false;
    if (parties.length === 0 || closed) return;
    const nextAt = Math.min(...parties.map(({ dueAt }) => dueAt));
    timer = setTimeout(tryDue, nextAt - performance.now());
  }

  async function tryParty({ cause, tickets, tries }: Party): Promise<void> {
    // Only once, and only for what can be waited for without holding up anything else.
    const waits = cause === 'locked' && tries === 0;
    const left = tickets.every(({ settled }) => settled) ? NONE : await attempt(tickets, waits);
    const still = new Set([...left.locked, ...left.timedOut].map(conversationOf));
    const through = tickets.filter((ticket) => !still.has(conversationOf(ticket)));
    for (const ticket of through) conversations.delete(conversationOf(ticket));
    if (through.length > 0) onThrough(through);
    add('locked', left.locked, tries + 1);
    // Waiting, it was a conversation's row, and which ones those are is found without waiting.
    if (waits) add('locked', left.timedOut, 1);
    else addTimedOut(left.timedOut, tries);
  }

  /** What is due longest; conversations that are locked go together. */
  function takeDue(): Party | undefined {
    const now = performance.now();
    // Timers may fire a little early.
    const due = closed ? [] : parties.filter(({ dueAt }) => dueAt <= now + 1);
    const [first] = due.sort((a, b) => a.dueAt - b.dueAt);
    if (first === undefined) return undefined;
    const taken = new Set([first]);
    const tickets = [...first.tickets];
    if (first.cause === 'locked') {
      for (const party of due) {
        const alike = party.cause === 'locked' && (party.tries === 0) === (first.tries === 0);
        if (taken.has(party) || !alike) continue;
        if (tickets.length + party.tickets.length > maxBatch) break;
        taken.add(party);
        tickets.push(...party.tickets);
      }
    }
    parties = parties.filter((party) => !taken.has(party));
    return { ...first, tickets, tries: Math.min(...[...taken].map(({ tries }) => tries)) };
  }

  return {
    put,
    has: (conversationId) => conversations.has(conversationId),
    size: () => conversations.size,
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Where to halve tickets so that no conversation is in both halves; 0 when there is only one. */
function middleOf(tickets: readonly Ticket[]): number {
  const starts: number[] = [];
  for (let at = 1; at < tickets.length; at += 1) {
    const [before, ticket] = [tickets[at - 1], tickets[at]];
    if (before?.draft.conversationId !== ticket?.draft.conversationId) starts.push(at);
  }
  return starts[starts.length >> 1] ?? 0;
}

const conversationOf = ({ draft }: Ticket): string => draft.conversationId;
