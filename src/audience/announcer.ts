/**
 * What the rules announce, on its way to people: encoded once, handed to this node's sockets, and
 * put on the bus for the other nodes, whose payloads come in here as well.
 */
import type { Bus } from '../bus/bus.ts';
import {
  decodeEnvelope,
  type Envelope,
  type EnvelopeFault,
  encodeEnvelope,
} from '../bus/envelope.ts';
import type { Events, MembershipChange, Origin, ParticipantCursors } from '../chat/ports.ts';
import type { Conversation } from '../chat/schemas.ts';
import type { Socket } from '../realtime/socket.ts';
import type { SocketServer } from '../realtime/socket-server.ts';
import type { CanonicalId } from '../shared/ids.ts';
import type { CursorKind } from './announced-cursors.ts';
import { deliveredFrame, eventFrame, membershipFrame, messageFrame, readFrame } from './frames.ts';
import { FIRST_MEMBERS_VERSION, type MembershipNews } from './membership-news.ts';
import type { Room } from './room.ts';
import type { Rooms } from './rooms.ts';
import { conversationOf, conversationTopic, userOf, userTopic } from './topics.ts';
import type { UserSockets } from './user-sockets.ts';

export interface AnnouncerDeps {
  bus: Bus;
  rooms: Pick<Rooms, 'get' | 'suspect'>;
  /** Sends a frame to this node's sockets that hear a topic. */
  publish: SocketServer['publish'];
  /** Ends a person's connections to this node. */
  users: Pick<UserSockets, 'disconnect'>;
  news: MembershipNews;
  /** Which database this node talks to; nodes that talk to another one ignore what is sent. */
  epoch(): string;
  limits: { maxEnvelopeBytes: number };
  log: { warn(fields: object, message: string): void };
}

/** Envelopes from the bus: taken, and those that were none or not for this node, by fault. */
export interface EnvelopeStats {
  received: number;
  refused: Record<EnvelopeFault, number>;
}

const noFaults = (): EnvelopeStats['refused'] => ({
  too_large: 0,
  no_header: 0,
  version: 0,
  epoch: 0,
  kind: 0,
  fields: 0,
});

/**
 * The announcer of a node. `events` is what the rules call, `here` what catching up calls; what comes from
 * the bus it takes by itself, as the bus's one listener.
 */
export function createAnnouncer(deps: AnnouncerDeps) {
  const { bus, rooms, publish, users, news, epoch, limits, log } = deps;
  const stats: EnvelopeStats = { received: 0, refused: noFaults() };

  /** Puts an envelope on the bus. It is made only when there may be somebody to open it. */
  function toOtherNodes(topic: string, envelope: () => Envelope): void {
    if (!bus.alone) bus.publish(topic, encodeEnvelope(envelope(), epoch()));
  }

  /**
   * Sends something that matters now or never, and not to the person it is of: a socket that is behind does
   * not get it.
   */
  function ephemeral(
    { conversationId, userId }: { conversationId: CanonicalId; userId: CanonicalId },
    frame: string,
    origin: Origin,
  ): void {
    const topic = conversationTopic(conversationId);
    const except = socketsOf(userId, rooms.get(conversationId));
    if (isSocket(origin) && !except.includes(origin)) except.push(origin);
    publish(topic, frame, { shed: true, except });
    toOtherNodes(topic, () => ({ kind: 'event', frame: Buffer.from(frame), exceptUser: userId }));
  }

  /** Tells how far a cursor has moved. Sockets that are behind do not get it: the next move says it all again. */
  function cursorMoved(
    kind: CursorKind,
    moved: { conversationId: CanonicalId; userId: CanonicalId; seq: number },
    frame: string,
  ): void {
    const { conversationId, userId, seq } = moved;
    const topic = conversationTopic(conversationId);
    const room = rooms.get(conversationId);
    if (room?.cursors.rise(kind, userId, seq)) publish(topic, frame, { shed: true });
    toOtherNodes(topic, () => ({
      kind: 'cursor',
      cursor: kind,
      userId,
      seq,
      frame: Buffer.from(frame),
    }));
  }

  /** Sends a frame to one person's sockets on every node, joined or not. */
  function toPerson(
    userId: CanonicalId,
    conversationId: CanonicalId,
    version: number,
    frame: string,
  ): void {
    news.tell(userId, { conversationId, membersVersion: version }, frame);
    toOtherNodes(userTopic(userId), () => ({
      kind: 'news',
      conversationId,
      membersVersion: version,
      frame: Buffer.from(frame),
    }));
  }

  function membership(action: 'added' | 'removed', change: MembershipChange): void {
    const { conversationId, userId, membersVersion } = change;
    const frame = membershipFrame(action, change);
    toRoom(action, change, frame);
    toOtherNodes(conversationTopic(conversationId), () => ({
      kind: 'membership',
      action,
      userId,
      membersVersion,
      frame: Buffer.from(frame),
    }));
    // Those concerned hear it on all their sockets (one that was removed has just left).
    toPerson(userId, conversationId, membersVersion, frame);
  }

  /** Lets the room know of a change, and tells its sockets on this node unless they know. */
  function toRoom(
    action: 'added' | 'removed',
    { conversationId, userId, membersVersion }: MembershipChange,
    frame: string | Uint8Array,
  ): void {
    const room = rooms.get(conversationId);
    if (room?.membershipChanged(action, userId, membersVersion)) {
      publish(conversationTopic(conversationId), frame);
    }
  }

  /**
   * Tells what was read from PostgreSQL because the bus may have lost it. Only this node's sockets hear
   * it, and what is about one person only those that were connected at `atMs` (of performance.now()).
   */
  const here = {
    memberChanged(action: 'added' | 'removed', change: MembershipChange, atMs: number): void {
      const frame = membershipFrame(action, change);
      toRoom(action, change, frame);
      news.tell(change.userId, change, frame, atMs);
    },

    conversationCreated(conversation: Conversation, userId: CanonicalId, atMs: number): void {
      const place = { conversationId: conversation.id, membersVersion: FIRST_MEMBERS_VERSION };
      news.tell(userId, place, eventFrame('conversation_created', conversation), atMs);
    },

    cursorsMoved(cursors: ParticipantCursors): void {
      const { conversationId, userId, lastReadSeq, lastDeliveredSeq } = cursors;
      const room = rooms.get(conversationId);
      if (room === undefined) return;
      const { topic } = room;
      if (lastReadSeq > 0 && room.cursors.rise('read', userId, lastReadSeq)) {
        publish(topic, readFrame({ conversationId, userId, lastReadSeq }), { shed: true });
      }
      if (lastDeliveredSeq > 0 && room.cursors.rise('delivered', userId, lastDeliveredSeq)) {
        const frame = deliveredFrame({ conversationId, userId, lastDeliveredSeq });
        publish(topic, frame, { shed: true });
      }
    },
  };

  const events: Events = {
    messageStored(message, membersVersion) {
      const frame = messageFrame(message);
      const { seq, id } = message;
      rooms.get(message.conversation_id)?.offer({ seq, id, membersVersion, frame });
      toOtherNodes(conversationTopic(message.conversation_id), () => ({
        kind: 'message',
        seq,
        id,
        membersVersion,
        frame: Buffer.from(frame),
      }));
    },
    typingStarted(start, origin) {
      const { conversationId, userId, userName } = start;
      const payload = { conversation_id: conversationId, user_id: userId, user_name: userName };
      ephemeral(start, eventFrame('user_typing', payload), origin);
    },
    typingStopped(stop, origin) {
      const payload = { conversation_id: stop.conversationId, user_id: stop.userId };
      ephemeral(stop, eventFrame('user_stopped_typing', payload), origin);
    },
    messagesRead(read) {
      cursorMoved('read', { ...read, seq: read.lastReadSeq }, readFrame(read));
    },
    messagesDelivered(delivered) {
      const moved = { ...delivered, seq: delivered.lastDeliveredSeq };
      cursorMoved('delivered', moved, deliveredFrame(delivered));
    },
    conversationCreated(conversation) {
      const frame = eventFrame('conversation_created', conversation);
      for (const { id } of conversation.participants) {
        toPerson(id, conversation.id, FIRST_MEMBERS_VERSION, frame);
      }
    },
    participantAdded: (change) => membership('added', change),
    participantRemoved: (change) => membership('removed', change),
    userDisconnected(userId) {
      users.disconnect(userId);
      toOtherNodes(userTopic(userId), () => ({
        kind: 'control',
        action: 'disconnect_user',
        userId,
      }));
    },
  };

  function receive(topic: string, payload: Uint8Array): void {
    const conversationId = conversationOf(topic);
    const decoded = decodeEnvelope(payload, {
      maxBytes: limits.maxEnvelopeBytes,
      epoch: epoch(),
    });
    if (!decoded.ok) {
      stats.refused[decoded.fault] += 1;
      log.warn({ topic, fault: decoded.fault }, 'a bus payload was refused');
      // A message perhaps, of a node with other settings or of another version: PostgreSQL has it.
      if (conversationId !== null) rooms.suspect(conversationId);
      return;
    }
    stats.received += 1;
    const { envelope } = decoded;
    const room = conversationId === null ? undefined : rooms.get(conversationId);
    switch (envelope.kind) {
      case 'message':
        room?.offer(envelope);
        return;
      case 'event':
        if (conversationId !== null) {
          const except = socketsOf(envelope.exceptUser, room);
          publish(topic, envelope.frame, { shed: true, except });
        }
        return;
      case 'cursor':
        if (room?.cursors.rise(envelope.cursor, envelope.userId, envelope.seq)) {
          publish(topic, envelope.frame, { shed: true });
        }
        return;
      case 'membership':
        if (conversationId !== null) {
          toRoom(envelope.action, { ...envelope, conversationId }, envelope.frame);
        }
        return;
      case 'news': {
        const userId = userOf(topic);
        if (userId !== null) news.tell(userId, envelope, Buffer.from(envelope.frame).toString());
        return;
      }
      case 'control':
        users.disconnect(envelope.userId);
        return;
      default:
        // A new kind that nobody receives here does not compile.
        envelope satisfies never;
    }
  }

  bus.onMessage(receive);
  return { events, here, stats };
}

/** The person's sockets in the room. */
function socketsOf(userId: CanonicalId | undefined, room: Room | undefined): Socket[] {
  if (userId === undefined || room === undefined) return [];
  return room.members.of(userId).map(({ socket }) => socket);
}

function isSocket(origin: Origin): origin is Socket {
  return 'sendFrame' in origin;
}
