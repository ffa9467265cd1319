/** What a load does at a server, whatever protocol that speaks. */
import type { Hearer } from './ledger.ts';

/** Somebody at a socket of their own. */
export interface Talker {
  readonly index: number;
  /** The conversation they talk in. */
  room: number;
  /** Without a goodbye, as when a network goes. */
  destroy(): void;
}

export interface WireEvents {
  /**
   * `from..to` is the message in `buffer`, valid during the call only.
   *
   * @param seq its place in its order: 1, 2, 3 …
   */
  onMessage(talker: Talker, seq: number, buffer: Buffer, from: number, to: number): void;
  /** @param id of the send that was answered; what `from..to` holds says why when it is not `ok` */
  onAck(talker: Talker, id: number, ok: boolean, buffer: Buffer, from: number, to: number): void;
  onError(talker: Talker, text: string): void;
}

export interface JoinProgress {
  /** Just before somebody begins to connect. */
  onBegun?(index: number): void;
  /** Somebody can send and hear. */
  onJoined?(index: number): void;
}

/** Everybody, connected. */
export interface Wire {
  readonly talkers: readonly Talker[];
  /** Whose counts the ledger keeps: one for each order that somebody hears. */
  readonly hearers: readonly Hearer[];
  /** How many orders of messages the server keeps. */
  readonly orders: number;
  hearerOf(talker: Talker, buffer: Buffer, from: number, to: number): Hearer;
  /** In which order somebody's next message stands. */
  nextOrder(talker: Talker): number;
  send(talker: Talker, id: number, order: number, content: string): void;
}
