/**
 * Who is typing. Nothing is stored: a start stands until its stop, its socket's end, a message from that
 * socket, or 6 seconds of silence. Somebody who types on several sockets of this node has stopped when all
 * of these have.
 */
import { TYPING_TIMEOUT_MS } from '../bounds/chat.ts';
import { createDeadlineTimer } from '../shared/deadline-timer.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { CheckedPayload } from './events.ts';
import { actingUser, type Membership } from './membership.ts';
import type { Actor, Clock, Events, Origin } from './ports.ts';

interface Typist {
  readonly key: string;
  readonly conversationId: CanonicalId;
  readonly userId: CanonicalId;
  readonly origin: Origin;
  /** False until membership is confirmed: others have not been told yet. */
  announced: boolean;
}

export interface TypingDeps {
  membership: Membership;
  events: Events;
  clock: Clock;
}

/** Who is typing on this node; its one timer runs while somebody is. */
export function createTyping({ membership, events, clock }: TypingDeps) {
  const typists = new Map<string, Typist>();
  const byOrigin = new Map<string, Set<string>>();
  /** On how many sockets somebody is known to type in a conversation. */
  const announced = new Map<string, number>();
  const starts = createDeadlineTimer<Typist>({
    onDue: ({ key }) => drop(key),
    now: clock.monotonicMs,
    after: clock.after,
  });

  const keyOf = (origin: Origin, conversationId: CanonicalId, userId: CanonicalId) =>
    `${origin.id} ${conversationId} ${userId}`;

  const placeOf = ({ conversationId, userId }: Typist) => `${conversationId} ${userId}`;

  function put(typist: Typist): void {
    const { key } = typist;
    const before = typists.get(key);
    if (before !== undefined) starts.delete(before);
    typists.set(key, typist);
    starts.set(typist, clock.monotonicMs() + TYPING_TIMEOUT_MS);
    const keys = byOrigin.get(typist.origin.id);
    if (keys === undefined) byOrigin.set(typist.origin.id, new Set([key]));
    else keys.add(key);
  }

  function drop(key: string): void {
    const typist = typists.get(key);
    if (typist === undefined) return;
    typists.delete(key);
    starts.delete(typist);
    const keys = byOrigin.get(typist.origin.id);
    keys?.delete(key);
    if (keys?.size === 0) byOrigin.delete(typist.origin.id);
    if (!typist.announced) return;
    const { conversationId, userId, origin } = typist;
    const place = placeOf(typist);
    const others = (announced.get(place) ?? 1) - 1;
    if (others > 0) {
      announced.set(place, others);
      return;
    }
    announced.delete(place);
    events.typingStopped({ conversationId, userId }, origin);
  }

  return {
    /**
     * Tells the others that somebody types, once it is known that they take part.
     *
     * @throws ChatError identity_mismatch, not_a_participant, not_found, unavailable
     */
    async start(
      actor: Actor,
      input: CheckedPayload<'typing_start'>,
      origin: Origin,
    ): Promise<void> {
      const conversationId = input.conversation_id;
      const userId = actingUser(actor, input.user_id, 'user_id');
      const key = keyOf(origin, conversationId, userId);
      const isAnnounced = typists.get(key)?.announced ?? false;
      const typist: Typist = { key, conversationId, userId, origin, announced: isAnnounced };
      put(typist);
      try {
        const { name } = await membership.requireParticipant(actor, conversationId, userId);
        // A stop, a newer start or the socket's end came while PostgreSQL answered: theirs is the word.
        if (typists.get(key) !== typist) return;
        if (!typist.announced) {
          typist.announced = true;
          announced.set(placeOf(typist), (announced.get(placeOf(typist)) ?? 0) + 1);
        }
        events.typingStarted({ conversationId, userId, userName: name }, origin);
      } catch (error) {
        if (typists.get(key) === typist) drop(key);
        throw error;
      }
    },

    /**
     * Tells the others that somebody has stopped. A participant may stop what was never started; others
     * are refused as by `start`.
     */
    async stop(actor: Actor, input: CheckedPayload<'typing_stop'>, origin: Origin): Promise<void> {
      const conversationId = input.conversation_id;
      const userId = actingUser(actor, input.user_id, 'user_id');
      const key = keyOf(origin, conversationId, userId);
      if (typists.has(key)) drop(key);
      else await membership.requireParticipant(actor, conversationId, userId);
    },

    /** The socket has gone, or has left one conversation or written to it: what it was typing stops. */
    stopAll(origin: Origin, conversationId?: CanonicalId): void {
      for (const key of [...(byOrigin.get(origin.id) ?? [])]) {
        if (conversationId === undefined || typists.get(key)?.conversationId === conversationId) {
          drop(key);
        }
      }
    },

    /** Ends the timer; nobody is told anything any more. */
    close(): void {
      starts.clear();
      typists.clear();
      byOrigin.clear();
      announced.clear();
    },
  };
}

export type Typing = ReturnType<typeof createTyping>;
