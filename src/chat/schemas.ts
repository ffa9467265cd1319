/**
 * The shapes of everything callers see, once: TypeScript types, validation, serialisation and the
 * OpenAPI document all derive from these. Field names are those of the wire.
 */
import { type Static, type StaticDecode, type TSchema, Type } from '@sinclair/typebox';
import {
  DEFAULT_CONVERSATIONS_LIMIT,
  DEFAULT_HISTORY_LIMIT,
  MAX_CLIENT_CONVERSATION_ID_LENGTH,
  MAX_CLIENT_MESSAGE_ID_LENGTH,
  MAX_CONVERSATIONS_LIMIT,
  MAX_CURSOR_LENGTH,
  MAX_HISTORY_LIMIT,
  MAX_MEDIA_URL_LENGTH,
  MAX_PARTICIPANTS,
} from '../bounds/chat.ts';
import { foldId, UUID_PATTERN } from '../shared/ids.ts';

/** Sequence numbers, counts and cursors stay within what a JavaScript number holds exactly. */
export const MAX_SEQ = Number.MAX_SAFE_INTEGER;

/** On the wire a text in either case; in here, and so for `StaticDecode`, a `CanonicalId`. */
export const Uuid = Type.Transform(
  Type.String({
    pattern: UUID_PATTERN,
    description: 'UUID',
    examples: ['00000000-0000-4000-8000-00000000000a'],
  }),
)
  .Decode(foldId)
  .Encode((id) => id);
export const Seq = Type.Integer({
  minimum: 0,
  maximum: MAX_SEQ,
  description: 'Position in the conversation: 1, 2, 3 … without a gap; 0 is before the first',
});
export const Timestamp = Type.String({
  description: 'UTC, milliseconds',
  examples: ['2025-01-10T12:00:00.000Z'],
});

/** The seconds in a refusal after which trying again makes sense. */
export const RetryAfter = Type.Integer({
  minimum: 1,
  description: 'Seconds after which to try again; with rate_limited and unavailable',
});

/** A value that may be null, for what callers send: validated as written. */
const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/**
 * A value that may be null, for what callers are sent: the serialiser is much faster with a list of types
 * than with a union.
 */
const NullableOut = <T extends TSchema>(schema: T) =>
  Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type, 'null'] });

/**
 * One of a few words, for what callers are sent: today's words, to which any release may add. JSON Schema's
 * own `enum` would forbid the new ones to whoever validates.
 */
export const EnumOut = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', 'x-extensible-enum': [...values] });

const MESSAGE_TYPES = ['text', 'image', 'location'] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number];
export const MessageType = Type.Union(MESSAGE_TYPES.map((type) => Type.Literal(type)));

const MESSAGE_STATUSES = ['sent', 'delivered', 'read'] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

const ClientMessageId = Type.String({
  minLength: 1,
  maxLength: MAX_CLIENT_MESSAGE_ID_LENGTH,
  description: "The sender's own key for one message: the same key is stored once, for ever",
});

const ClientConversationId = Type.String({
  minLength: 1,
  maxLength: MAX_CLIENT_CONVERSATION_ID_LENGTH,
  description:
    "The creator's own key for one conversation: the same key is one conversation, for ever",
});

export const Message = Type.Object(
  {
    id: Uuid,
    conversation_id: Uuid,
    seq: Seq,
    sender_id: Uuid,
    sender_name: NullableOut(Type.String()),
    content: Type.String(),
    message_type: EnumOut(MESSAGE_TYPES),
    media_url: NullableOut(Type.String()),
    client_message_id: NullableOut(Type.String()),
    status: EnumOut(MESSAGE_STATUSES),
    created_at: Timestamp,
  },
  { $id: 'Message' },
);
export type Message = StaticDecode<typeof Message>;

/** A sent message; `duplicate` says that this `client_message_id` had been stored before. */
export const SentMessage = Type.Object(
  { ...Message.properties, duplicate: Type.Optional(Type.Literal(true)) },
  { $id: 'SentMessage' },
);
export type SentMessage = StaticDecode<typeof SentMessage>;

export const Person = Type.Object(
  { id: Uuid, name: NullableOut(Type.String()) },
  { $id: 'Person' },
);
export type Person = StaticDecode<typeof Person>;

export const Conversation = Type.Object(
  {
    id: Uuid,
    request_match_id: NullableOut(Uuid),
    last_message_at: NullableOut(Timestamp),
    created_at: Timestamp,
    participants: Type.Array(Person),
    last_seq: Seq,
  },
  { $id: 'Conversation' },
);
export type Conversation = StaticDecode<typeof Conversation>;

/** How many messages of others come after one's own `last_read_seq`. */
const UnreadCount = Type.Integer({
  minimum: 0,
  description: 'Messages of others after last_read_seq; when unread_exact is false, an upper bound',
});
const UnreadExact = Type.Boolean({
  description:
    'true: unread_count was counted, as it is up to 1 000. false: it is last_seq - last_read_seq',
});

/** A conversation as one of its participants sees it in a list. */
export const ConversationSummary = Type.Object(
  {
    ...Conversation.properties,
    last_message: NullableOut(Type.Object(Message.properties)),
    last_read_seq: Seq,
    unread_count: UnreadCount,
    unread_exact: UnreadExact,
  },
  { $id: 'ConversationSummary' },
);
export type ConversationSummary = StaticDecode<typeof ConversationSummary>;

export const HistoryPage = Type.Object(
  { messages: Type.Array(Message), total: Type.Integer({ minimum: 0 }) },
  { $id: 'HistoryPage' },
);
export type HistoryPage = StaticDecode<typeof HistoryPage>;

/** What `join_conversation` is acknowledged with. `last_seq` is the position live delivery goes on from. */
export const JoinResult = Type.Object(
  {
    conversation_id: Uuid,
    last_seq: Seq,
    last_read_seq: Seq,
    unread_count: UnreadCount,
    unread_exact: UnreadExact,
    resync: Type.Optional(Type.Literal(true)),
  },
  { $id: 'JoinResult' },
);
export type JoinResult = StaticDecode<typeof JoinResult>;

export const ReadResult = Type.Object(
  {
    conversation_id: Uuid,
    user_id: Uuid,
    last_read_seq: Seq,
    marked: Type.Integer({ minimum: 0, description: 'Messages of others newly covered' }),
  },
  { $id: 'ReadResult' },
);
export type ReadResult = StaticDecode<typeof ReadResult>;

export const DeliveredResult = Type.Object(
  { conversation_id: Uuid, user_id: Uuid, last_delivered_seq: Seq },
  { $id: 'DeliveredResult' },
);
export type DeliveredResult = StaticDecode<typeof DeliveredResult>;

export const ParticipantChange = Type.Object(
  { conversation_id: Uuid, user_id: Uuid },
  { $id: 'ParticipantChange' },
);
export type ParticipantChange = StaticDecode<typeof ParticipantChange>;

// ── What callers send ───────────────────────────────────────────────────────────────────────────

export const CreateConversationInput = Type.Object({
  request_match_id: Type.Optional(Nullable(Uuid)),
  participant_ids: Type.Array(Uuid, { minItems: 1, maxItems: MAX_PARTICIPANTS, uniqueItems: true }),
  client_conversation_id: Type.Optional(Nullable(ClientConversationId)),
});
export type CreateConversationInput = StaticDecode<typeof CreateConversationInput>;

/** The body of a send; content rules that depend on configuration are checked in content.ts. */
export const SendInput = Type.Object({
  content: Type.String(),
  message_type: Type.Optional(MessageType),
  media_url: Type.Optional(Nullable(Type.String({ maxLength: MAX_MEDIA_URL_LENGTH }))),
  client_message_id: Type.Optional(Nullable(ClientMessageId)),
  sender_id: Type.Optional(Nullable(Uuid)),
});
export type SendInput = StaticDecode<typeof SendInput>;

export const MarkReadInput = Type.Object({
  user_id: Type.Optional(Nullable(Uuid)),
  up_to_seq: Type.Optional(Nullable(Seq)),
});
export type MarkReadInput = StaticDecode<typeof MarkReadInput>;

export const DeliveredInput = Type.Object({
  user_id: Type.Optional(Nullable(Uuid)),
  up_to_seq: Seq,
});
export type DeliveredInput = StaticDecode<typeof DeliveredInput>;

export const HistoryQuery = Type.Object({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_HISTORY_LIMIT, default: DEFAULT_HISTORY_LIMIT }),
  ),
  offset: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: MAX_SEQ,
      description: 'Counted from the newest; default 0',
    }),
  ),
  before_seq: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_SEQ })),
  after_seq: Type.Optional(Seq),
});
export type HistoryQuery = StaticDecode<typeof HistoryQuery>;

export const ConversationsQuery = Type.Object({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_CONVERSATIONS_LIMIT,
      default: DEFAULT_CONVERSATIONS_LIMIT,
    }),
  ),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_CURSOR_LENGTH })),
});
export type ConversationsQuery = StaticDecode<typeof ConversationsQuery>;
