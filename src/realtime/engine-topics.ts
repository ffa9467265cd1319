/**
 * Topics: who hears what. WebSocket members are subscribed in uWebSockets.js, where a publish is one
 * call whatever the audience; polling members are kept here.
 *
 * Guarantees: each member hears a publish once, in the order of the calls; a member that moves from
 * polling to WebSocket loses and doubles nothing, because both sides of the move happen in one turn.
 *
 * Slow readers. uWebSockets.js drops frames of a socket beyond its own limit and closes it a little
 * later; a frame published in between could arrive after a lost one, a silent hole. So its limit is
 * set out of reach and ours is kept by scans: as every frame is counted here before it is sent, no
 * socket can have grown by more than `scanEveryBytes` since the last scan, and one scan per that many
 * published bytes closes whoever is beyond `maxBackpressureBytes`. The scan also finds those worth
 * sparing ephemeral frames: only these few are taken out of the topic around such a publish.
 */

import { LARGE_AUDIENCE } from '../bounds/realtime.ts';
import type { Frame } from '../protocol/engine-packet.ts';
import { type Ascii, escapeAfter, type NativeText, utf8 } from '../shared/native-text.ts';
import type { TemplatedApp, WebSocket } from './uws.ts';

/** A member of topics, as far as this module looks at it. */
export interface TopicMember {
  /** The live WebSocket, undefined while polling and after the end. */
  readonly socket: WebSocket<unknown> | undefined;
  readonly sid: string;
  /** Whether its WebSocket hears the topic of its own: made when first needed, mostly never. */
  hasOwnTopic: boolean;
  /** Hands a frame to this member alone. */
  deliver(frame: Frame): void;
  bufferedBytes(): number;
  /** Ends the member now, because it is too far behind. */
  endSlow(): void;
}

export interface Topics<M extends TopicMember> {
  /** @param except members that do not hear it @param shed spare those that are behind */
  publish(topic: Ascii, frame: string | Uint8Array, except: readonly M[], shed: boolean): void;
  /** Publishes a frame that members without a WebSocket do not hear. */
  publishToSockets(topic: Ascii, frame: string): void;
  /** Sends to one member, in one write with what is published to `topic` in this turn if that is cheaper. */
  deliverBeside(topic: Ascii, member: M, text: string): void;
  subscribers(topic: Ascii): number;
  joinPolling(topic: Ascii, member: M): void;
  leavePolling(topic: Ascii, member: M): void;
  /** Looks how far behind a member is; to be called when its socket took data or got a frame of its own. */
  checkPace(member: M): void;
  /** Forgets a member that has ended. */
  forget(member: M): void;
  /** Members currently behind the shedding watermark. */
  readonly slowCount: number;
}

export interface TopicsDeps<M extends TopicMember> {
  readonly app: TemplatedApp;
  /** A second app, and those of its WebSockets that are open: an app's topics are its own. */
  readonly peers?: { readonly app: TemplatedApp; readonly sockets: ReadonlySet<unknown> };
  /** A member's own topic is this and its `sid`. */
  readonly ownTopicPrefix: Ascii;
  readonly maxBackpressureBytes: number;
  readonly shedBackpressureBytes: number;
  /** Every member with a WebSocket, for the scan. */
  readonly members: () => Iterable<M>;
}

/** Published bytes between two scans, as a share of the backpressure limit. */
const SCAN_SHARE = 0.5;

/** The limit to give uWebSockets.js itself: never reached while the scans do their work. */
export function hardBackpressureBytes(maxBackpressureBytes: number, maxFrameBytes: number): number {
  // A topic keeps up to 32 frames of 16 KiB per socket back before it writes them.
  return Math.min(4 * maxBackpressureBytes + 2 * maxFrameBytes + 32 * 16_384, 0x7fffffff);
}

/** The topics of one server; without members at first. */
export function createTopics<M extends TopicMember>(deps: TopicsDeps<M>): Topics<M> {
  const { app, ownTopicPrefix, peers, maxBackpressureBytes, shedBackpressureBytes, members } = deps;
  const scanEveryBytes = maxBackpressureBytes * SCAN_SHARE;
  const polling = new Map<Ascii, Set<M>>();
  const slow = new Set<M>();
  let unscannedBytes = 0;

  function checkPace(member: M): void {
    const behind = member.bufferedBytes();
    if (behind > maxBackpressureBytes) member.endSlow();
    else if (behind > shedBackpressureBytes) slow.add(member);
    else if (slow.size > 0) slow.delete(member);
  }

  function scan(): void {
    unscannedBytes = 0;
    for (const member of members()) if (member.socket !== undefined) checkPace(member);
  }

  function publishToSockets(topic: Ascii, frame: NativeText, except: M | undefined): void {
    const sender = except?.socket;
    const isPeer = sender !== undefined && peers?.sockets.has(sender) === true;
    sender?.publish(topic, frame, false); // To everybody else of its own app.
    if (sender === undefined || isPeer) app.publish(topic, frame, false);
    if (peers !== undefined && peers.sockets.size > 0 && !isPeer) {
      peers.app.publish(topic, frame, false);
    }
  }

  function subscribers(topic: Ascii): number {
    return (
      app.numSubscribers(topic) +
      (peers?.app.numSubscribers(topic) ?? 0) +
      (polling.get(topic)?.size ?? 0)
    );
  }

  /** Publishes with those of `spare` out of the topic meanwhile. */
  function publishSparing(
    topic: Ascii,
    frame: NativeText,
    except: M | undefined,
    ...spare: Iterable<M>[]
  ): void {
    const spared: M[] = [];
    try {
      for (const members of spare) {
        for (const member of members) {
          const { socket } = member;
          // Frames published before stay queued: every socket keeps at least its heartbeat topic.
          if (socket?.isSubscribed(topic) && socket.unsubscribe(topic)) spared.push(member);
        }
      }
      publishToSockets(topic, frame, except);
    } finally {
      for (const member of spared) resubscribe(topic, member);
    }
  }

  /** One that cannot be subscribed again ends: it would miss the topic's frames without a word. */
  function resubscribe(topic: Ascii, member: M): void {
    try {
      member.socket?.subscribe(topic);
    } catch {
      member.endSlow();
    }
  }

  return {
    publish(topic, frame, except, shed) {
      // Nothing on the way to uWebSockets.js makes other bytes of text.
      const bytes = typeof frame === 'string' ? utf8(frame) : frame;
      unscannedBytes += bytes.length;
      if (unscannedBytes > scanEveryBytes) scan();
      // uWebSockets.js leaves one out by itself.
      const [sender, ...others] = except;
      if (others.length > 0 || (shed && slow.size > 0)) {
        publishSparing(topic, bytes, sender, others, shed ? slow : []);
      } else publishToSockets(topic, bytes, sender);
      const pollers = polling.get(topic);
      if (pollers === undefined) return;
      const text = typeof frame === 'string' ? frame : Buffer.from(frame).toString();
      for (const member of pollers) {
        if (except.includes(member) || (shed && member.bufferedBytes() > shedBackpressureBytes))
          continue;
        member.deliver(text);
      }
    },
    publishToSockets: (topic, frame) => publishToSockets(topic, utf8(frame), undefined),
    subscribers,
    deliverBeside(topic, member, text) {
      if (member.socket === undefined || subscribers(topic) > LARGE_AUDIENCE) {
        member.deliver(text);
        return;
      }
      // Only what is published waits for the end of the turn; so this has a topic of its own.
      const ownTopic = escapeAfter(ownTopicPrefix, member.sid);
      if (!member.hasOwnTopic) member.hasOwnTopic = member.socket.subscribe(ownTopic);
      const own = peers?.sockets.has(member.socket) === true ? peers.app : app;
      own.publish(ownTopic, utf8(text), false);
      // uWebSockets.js holds few frames back before it writes them: this sees all but the latest.
      checkPace(member);
    },
    joinPolling(topic, member) {
      const pollers = polling.get(topic);
      if (pollers === undefined) polling.set(topic, new Set([member]));
      else pollers.add(member);
    },
    leavePolling(topic, member) {
      const pollers = polling.get(topic);
      if (pollers?.delete(member) && pollers.size === 0) polling.delete(topic);
    },
    checkPace,
    forget: (member) => void slow.delete(member),
    get slowCount() {
      return slow.size;
    },
  };
}
