/**
 * One person's device: a stock client that keeps its conversations joined through anything, as the
 * README tells clients to. It joins with the highest seq it has, reconnects by itself, and moves to
 * another node when its own does not answer. Everything it hears is written down in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { type Answer, readAnswer } from './answers.ts';
import type { DeviceLog, StreamEvent } from './history.ts';
import type { Random } from './random.ts';

const JOIN_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_MS = { first: 50, most: 500 };
/** Failed attempts at one node before another one is tried. */
const PATIENCE = 2;

export interface Device {
  readonly log: DeviceLog;
  /** The node it is connected to, or tries to be. */
  readonly node: number;
  readonly connected: boolean;
  /** The highest seq it has of a conversation; null before the first join is answered. */
  head(conversationId: string): number | null;
  /** Whether it hears the conversation now. */
  hears(conversationId: string): boolean;
  /** Emits; null when no answer comes in time or the connection goes. */
  ask(event: string, payload: object, timeoutMs: number): Promise<Answer | null>;
  close(): void;
}

interface Message {
  id: string;
  conversation_id: string;
  seq: number;
  sender_id: string;
  content: string;
}

export function createDevice(options: {
  name: string;
  userId: string;
  conversations: readonly string[];
  urls: readonly string[];
  transports: ('polling' | 'websocket')[];
  random: Random;
}): Device {
  const { name, userId, conversations, urls, transports, random } = options;
  const log: DeviceLog = { name, userId, joins: conversations, events: [] };
  const heads = new Map<string, number>();
  const open = new Set<string>();
  let node = random.between(0, urls.length - 1);
  let failures = 0;
  let connection = 0;
  let closed = false;
  let socket = connect();

  type Unstamped<T> = T extends { at: number } ? Omit<T, 'at'> : never;
  function note(event: Unstamped<StreamEvent>): void {
    log.events.push({ at: performance.now(), ...event } as StreamEvent);
  }

  function connect(): Socket {
    const made = io(urls[node] ?? '', {
      forceNew: true,
      query: { userId },
      transports,
      timeout: CONNECT_TIMEOUT_MS,
      reconnectionDelay: RECONNECT_MS.first,
      reconnectionDelayMax: RECONNECT_MS.most,
    });
    made.on('connect', () => {
      failures = 0;
      connection += 1;
      note({ kind: 'connect', node });
      for (const conversationId of conversations) void keepJoined(conversationId, connection);
    });
    made.on('disconnect', (reason) => {
      // The run is over: that is not for the history.
      if (closed) return;
      open.clear();
      note({ kind: 'disconnect', reason });
      // Ended by the service: the stock client leaves it to its user to come back.
      if (reason === 'io server disconnect' && made === socket) {
        setTimeout(() => closed || made.connect(), random.between(50, 250));
      }
    });
    made.on('connect_error', () => {
      failures += 1;
      if (failures >= PATIENCE) move();
    });
    made.on('new_message', (message: Message) => {
      const { seq, id, conversation_id: conversationId, sender_id: senderId, content } = message;
      heads.set(conversationId, Math.max(seq, heads.get(conversationId) ?? 0));
      note({ kind: 'message', conversationId, seq, id, senderId, content });
    });
    made.on('messages_read', (mark: Record<string, unknown>) => {
      note({
        kind: 'read',
        conversationId: String(mark.conversation_id),
        userId: String(mark.user_id),
        lastReadSeq: Number(mark.last_read_seq),
      });
    });
    made.on('resync', (told: Record<string, unknown>) => {
      const conversationId = String(told.conversation_id);
      note({ kind: 'resync', conversationId, lastSeq: Number(told.last_seq) });
      void keepJoined(conversationId, connection);
    });
    made.on('participant_added', (change: Record<string, unknown>) => {
      const conversationId = String(change.conversation_id);
      if (change.user_id !== userId || !conversations.includes(conversationId)) return;
      if (!open.has(conversationId)) void keepJoined(conversationId, connection);
    });
    made.on('participant_removed', (change: Record<string, unknown>) => {
      if (change.user_id === userId) open.delete(String(change.conversation_id));
    });
    return made;
  }

  /** The node does not answer: on to the next one. */
  function move(): void {
    failures = 0;
    socket.close();
    if (closed) return;
    node = (node + 1) % urls.length;
    socket = connect();
  }

  async function keepJoined(conversationId: string, on: number): Promise<void> {
    while (!closed && on === connection && socket.connected) {
      const answer = await join(conversationId);
      if (answer === null || on !== connection) continue;
      if (answer.success || answer.code === 'not_a_participant') return;
      await sleep(random.between(50, 250));
    }
  }

  async function join(conversationId: string): Promise<Answer | null> {
    // Some begin with the newest; whoever has been there before asks for what they missed.
    const afterSeq = heads.get(conversationId) ?? (random.chance(0.3) ? null : 0);
    note({ kind: 'join', conversationId, afterSeq });
    return ask(
      'join_conversation',
      { conversation_id: conversationId, ...(afterSeq === null ? {} : { after_seq: afterSeq }) },
      JOIN_TIMEOUT_MS,
      (answer) => {
        // At once, in the turn of the answer: a message that follows it must be noted after it.
        if (!answer.success) {
          note({ kind: 'join_refused', conversationId, code: answer.code });
          return;
        }
        const lastSeq = Number(answer.data.last_seq);
        const resync = answer.data.resync === true;
        heads.set(conversationId, lastSeq);
        open.add(conversationId);
        note({ kind: 'joined', conversationId, lastSeq, resync });
      },
    );
  }

  function ask(
    event: string,
    payload: object,
    timeoutMs: number,
    onAnswer: (answer: Answer) => void = () => undefined,
  ): Promise<Answer | null> {
    return new Promise((resolve) => {
      // Offline the client would keep it and send it later, when nobody waits for it any more.
      if (!socket.connected) {
        resolve(null);
        return;
      }
      socket.timeout(timeoutMs).emit(event, payload, (error: Error | null, sent: unknown) => {
        if (error !== null) {
          resolve(null);
          return;
        }
        const answer = readAnswer(sent);
        onAnswer(answer);
        resolve(answer);
      });
    });
  }

  return {
    log,
    get node() {
      return node;
    },
    get connected() {
      return socket.connected;
    },
    head: (conversationId) => heads.get(conversationId) ?? null,
    hears: (conversationId) => open.has(conversationId) && socket.connected,
    ask,
    close() {
      closed = true;
      socket.close();
    },
  };
}
