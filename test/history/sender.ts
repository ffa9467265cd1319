/**
 * Sends as a careful client does: every message under a key of its own, again and again until there
 * is a definite answer, over whichever door and node is there. Every attempt is written down.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, call, leavesOpen } from './answers.ts';
import type { Device } from './device.ts';
import type { Attempt, History, Send } from './history.ts';
import type { Random } from './random.ts';

const ANSWER_TIMEOUT_MS = 9_000;
const GIVE_UP_MS = 40_000;

export interface Sender {
  /** Resolves when the message is stored, refused, or nobody can say. */
  send(
    device: Device,
    message: { conversationId: string; content: string; key: string | null },
  ): Promise<Send>;
  /** One more attempt of a message at another node: the answer must be the first one's. */
  repeat(send: Send): Promise<void>;
  /** Another body under the key of `send`: to be refused. */
  contradict(send: Send): Promise<void>;
}

export function createSender(options: {
  history: History;
  urls: readonly string[];
  random: Random;
}): Sender {
  const { history, urls, random } = options;

  function begin(send: Omit<Send, 'attempts'>): Send {
    const begun: Send = { ...send, attempts: [] };
    history.sends.push(begun);
    return begun;
  }

  /** One attempt; `device` sends over its socket, otherwise it is REST at `node`. */
  async function attempt(send: Send, node: number, device: Device | null): Promise<Attempt> {
    const { conversationId, senderId, key, content } = send;
    const body = { content, ...(key === null ? {} : { client_message_id: key }) };
    const made: Attempt = {
      via: device === null ? 'rest' : 'socket',
      node,
      invokedAt: performance.now(),
      endedAt: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      code: null,
      message: null,
    };
    send.attempts.push(made);
    const answer =
      device === null
        ? await call(`${urls[node]}/messages/${conversationId}`, {
            method: 'POST',
            userId: senderId,
            body,
            timeoutMs: ANSWER_TIMEOUT_MS,
          })
        : await device.ask(
            'send_message',
            { conversation_id: conversationId, ...body },
            ANSWER_TIMEOUT_MS,
          );
    made.endedAt = performance.now();
    record(made, answer);
    return made;
  }

  async function untilAnswered(send: Send, device: Device): Promise<Send> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      const overSocket = device.connected && random.chance(0.8);
      const node = overSocket ? device.node : random.between(0, urls.length - 1);
      const { outcome, code } = await attempt(send, node, overSocket ? device : null);
      if (outcome === 'ok' || (outcome === 'refused' && code !== 'unavailable')) return send;
      // Without a key a second attempt could be a second message.
      if (send.key === null || performance.now() > giveUpAt) return send;
      await sleep(random.between(50, 250));
    }
  }

  return {
    send: (device, { conversationId, content, key }) =>
      untilAnswered(
        begin({ conversationId, senderId: device.log.userId, key, content, conflicts: false }),
        device,
      ),

    async repeat(send) {
      await attempt(send, random.between(0, urls.length - 1), null);
    },

    async contradict({ conversationId, senderId, key, content }) {
      const other = begin({
        conversationId,
        senderId,
        key,
        content: `${content}, or not`,
        conflicts: true,
      });
      await attempt(other, random.between(0, urls.length - 1), null);
    },
  };
}

function record(attempt: Attempt, answer: Answer | null): void {
  if (answer === null) {
    attempt.code = 'no answer';
  } else if (answer.success) {
    attempt.outcome = 'ok';
    const { seq, id, duplicate } = answer.data;
    attempt.message = { seq: Number(seq), id: String(id), duplicate: duplicate === true };
  } else {
    attempt.outcome = leavesOpen(answer.message) ? 'unknown' : 'refused';
    attempt.code = answer.code;
  }
}
