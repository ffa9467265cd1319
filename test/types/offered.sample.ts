/**
 * The types clients get (written out, `packages/events/`) are those the service has (derived from its
 * schemas): each is assignable to the other. Checked by `npm run check`; never run.
 */
import type { Static } from '@sinclair/typebox';
import type * as Offered from 'messaging-service/events';
import type * as Own from '../../src/chat/client-types.ts';
import type * as Events from '../../src/chat/events.ts';
import type * as Schemas from '../../src/chat/schemas.ts';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Each<A, B extends Record<keyof A, unknown>> = { [K in keyof A]: Same<A[K], B[K]> }[keyof A];

true satisfies Same<keyof Offered.ClientEventPayloads, Events.ClientEvent>;
true satisfies Same<keyof Offered.ServerEventPayloads, Events.ServerEvent>;
true satisfies Each<
  Offered.ClientEventPayloads,
  { [E in Events.ClientEvent]: Events.ClientEventPayload<E> }
>;
true satisfies Each<
  Offered.ServerEventPayloads,
  { [E in Events.ServerEvent]: Events.ServerEventPayload<E> }
>;
true satisfies Each<Offered.Answers, { [E in Events.ClientEvent]: Events.Acknowledged<E> }>;
true satisfies Same<Offered.ErrorBody, Own.ErrorBody>;
true satisfies Same<Offered.MessagingSocket, Own.MessagingSocket>;
true satisfies Same<Offered.ConversationSummary, Static<typeof Schemas.ConversationSummary>>;
true satisfies Same<Offered.HistoryPage, Static<typeof Schemas.HistoryPage>>;
true satisfies Same<Offered.MessageType, Schemas.MessageType>;
true satisfies Same<Offered.MessageStatus, Schemas.MessageStatus>;
// @ts-expect-error a message is no conversation
true satisfies Same<Offered.Message, Static<typeof Schemas.Conversation>>;
