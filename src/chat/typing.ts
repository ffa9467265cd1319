/**
 * Who is typing. Nothing is stored: a start stands until its stop, its socket's end, or 6 seconds
 * of silence. All starts wait the same time, so one insertion-ordered map is the timer queue and one
 * timer serves everybody.
 */
import { actingUser, type Membership } from './membership.ts';
import type { Actor, Clock, Events, Origin } from './ports.ts';

/** A start without a further one stops by itself after this long. */
export const TYPING_TIMEOUT_MS = 6_000;

interface Typist {
  readonly conversationId: string;
  readonly userId: string;
  readonly origin: Origin;
  /** False until membership is confirmed: others have not been told yet. */
  announced: boolean;
  /** On the monotonic clock. */
  stopsAtMs: number;
}

export interface TypingInput {
  conversation_id: string;
  user_id?: string | null;
}

export function createTyping({
  membership,
  events,
  clock,
}: {
  membership: Membership;
  events: Events;
  clock: Clock;
}) {
  const typists = new Map<string, Typist>();
  const byOrigin = new Map<string, Set<string>>();
  let cancelTimer: (() => void) | null = null;

  const keyOf = (origin: Origin, conversationId: string, userId: string) =>
    `${origin.id} ${conversationId} ${userId}`;

  function put(key: string, typist: Typist): void {
    typists.delete(key);
    typists.set(key, typist);
    const keys = byOrigin.get(typist.origin.id);
    if (keys === undefined) byOrigin.set(typist.origin.id, new Set([key]));
    else keys.add(key);
    arm();
  }

  function drop(key: string): void {
    const typist = typists.get(key);
    if (typist === undefined) return;
    typists.delete(key);
    const keys = byOrigin.get(typist.origin.id);
    keys?.delete(key);
    if (keys?.size === 0) byOrigin.delete(typist.origin.id);
    if (!typist.announced) return;
    const { conversationId, userId, origin } = typist;
    events.typingStopped({ conversationId, userId }, origin);
  }

  function arm(): void {
    if (cancelTimer !== null) return;
    const first = typists.values().next().value;
    if (first === undefined) return;
    cancelTimer = clock.after(Math.max(0, first.stopsAtMs - clock.monotonicMs()), () => {
      cancelTimer = null;
      const nowMs = clock.monotonicMs();
      for (const [key, typist] of typists) {
        if (typist.stopsAtMs > nowMs) break;
        drop(key);
      }
      arm();
    });
  }

  return {
    /** @throws ChatError identity_mismatch, not_a_participant, not_found, unavailable */
    async start(actor: Actor, input: TypingInput, origin: Origin): Promise<void> {
      const conversationId = input.conversation_id.toLowerCase();
      const userId = actingUser(actor, input.user_id, 'user_id');
      const key = keyOf(origin, conversationId, userId);
      const announced = typists.get(key)?.announced ?? false;
      const typist: Typist = {
        conversationId,
        userId,
        origin,
        announced,
        stopsAtMs: clock.monotonicMs() + TYPING_TIMEOUT_MS,
      };
      put(key, typist);
      try {
        const { name } = await membership.requireParticipant(actor, conversationId, userId);
        // A stop, a newer start or the socket's end came while PostgreSQL answered: theirs is the word.
        if (typists.get(key) !== typist) return;
        typist.announced = true;
        events.typingStarted({ conversationId, userId, userName: name }, origin);
      } catch (error) {
        if (typists.get(key) === typist) drop(key);
        throw error;
      }
    },

    /** Throws as `start`; stopping what was not started is fine for a participant. */
    async stop(actor: Actor, input: TypingInput, origin: Origin): Promise<void> {
      const conversationId = input.conversation_id.toLowerCase();
      const userId = actingUser(actor, input.user_id, 'user_id');
      const key = keyOf(origin, conversationId, userId);
      if (typists.has(key)) drop(key);
      else await membership.requireParticipant(actor, conversationId, userId);
    },

    /** The socket has gone, or has left one conversation: what it was typing stops. */
    stopAll(origin: Origin, conversationId?: string): void {
      for (const key of [...(byOrigin.get(origin.id) ?? [])]) {
        if (conversationId === undefined || typists.get(key)?.conversationId === conversationId) {
          drop(key);
        }
      }
    },

    /** Ends the timer; nobody is told anything any more. */
    close(): void {
      cancelTimer?.();
      cancelTimer = null;
      typists.clear();
      byOrigin.clear();
    },
  };
}

export type Typing = ReturnType<typeof createTyping>;
