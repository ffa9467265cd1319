/**
 * Acknowledgements in both directions.
 *
 * Guarantees: an ACK is sent at most once for each EVENT that asked; a promise for an ACK is settled
 * exactly once: answered, timed out, or disconnected.
 */

import type { Ack } from './socket.ts';

/** The socket that an answer goes out through. */
export interface AckSender {
  sendAck(id: number, args: readonly unknown[]): void;
  sendAckJson(id: number, json: string, topic: string | undefined): void;
}

/** The function handed to `onEvent` for an EVENT with acknowledgement id `id`. */
export function createAck(sender: AckSender, id: number): Ack {
  let sent = false;
  const ack = (...args: unknown[]): void => {
    if (sent) return;
    sent = true;
    sender.sendAck(id, args);
  };
  ack.json = (text: string, topic?: string): void => {
    if (sent) return;
    sent = true;
    sender.sendAckJson(id, text, topic);
  };
  return ack;
}

interface Waiting {
  resolve(args: unknown[]): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/** The answers one socket still owes. Made when the first is asked for. */
export class PendingAcks {
  readonly #waiting = new Map<number, Waiting>();
  readonly #max: number;
  #nextId = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Reserves an id, gives it to `send`, and waits.
   *
   * @throws Error (rejection): too many are waiting, `deadlineMs` has passed, or `endAll` was called
   */
  request(deadlineMs: number, send: (id: number) => void): Promise<unknown[]> {
    if (this.#waiting.size >= this.#max) {
      return Promise.reject(new Error('Too many acknowledgements are pending'));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`No acknowledgement within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#waiting.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  /** Hands an ACK that arrived to whoever waits for it; one that nobody waits for is ignored. */
  settle(id: number, args: unknown[]): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(args);
  }

  endAll(reason: string): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error(`Disconnected: ${reason}`));
    }
    this.#waiting.clear();
  }
}
