/**
 * One raw Socket.IO client: a TCP socket, WebSocket frames found in place, Socket.IO packets told
 * apart by their first bytes. It looks into a packet only as far as the checks need: the seq of a
 * message, the id and the success of an acknowledgement.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { binaryFrame, eachFrame, PONG, textFrame } from './frames.ts';
import { numberAt, openStream } from './stream.ts';

export interface ClientEvents {
  /** The Socket.IO CONNECT was answered. */
  onConnected(client: Client): void;
  /** `from..to` is the packet's text in `buffer`, valid during the call only. */
  onMessage(client: Client, seq: number, buffer: Buffer, from: number, to: number): void;
  onAck(client: Client, id: number, ok: boolean, buffer: Buffer, from: number, to: number): void;
  onError(client: Client, text: string): void;
  onClose(client: Client): void;
}

const SEQ_KEY = Buffer.from('"seq":');
const ACK_OK = Buffer.from('[{"success":true');
const HEAD_END = Buffer.from('\r\n\r\n');
const NEW_MESSAGE = Buffer.from('42["new_message",');
const [DIGIT_0, DIGIT_2, DIGIT_3, DIGIT_4, DIGIT_9] = [0x30, 0x32, 0x33, 0x34, 0x39];
/** Where the seq was found last: the same place in every message of one server, mostly. */
let seqPlace = 0;

export class Client {
  readonly index: number;
  /** Free for the scenario: the room, and what of it was heard. */
  room = 0;
  expected = 0;
  received = 0;
  lastSeq = 0;
  closed = false;
  /** What it answers the handshake with. */
  connectPacket = '40';
  private readonly socket: Socket;
  private readonly events: ClientEvents;
  private upgraded = false;

  /**
   * @param credential what the query of its handshake says of it, as `userId=…`
   * @param address whose client it says it is, to a server that trusts proxies on this machine
   */
  constructor(
    index: number,
    port: number,
    credential: string,
    events: ClientEvents,
    address?: string,
  ) {
    this.index = index;
    this.events = events;
    this.socket = openStream(port, {
      take: (buffer, end) => this.take(buffer, end),
      onError: (text) => this.events.onError(this, text),
      onClose: () => {
        this.closed = true;
        this.events.onClose(this);
      },
    });
    this.socket.write(
      `GET /socket.io/?EIO=4&transport=websocket&${credential} HTTP/1.1\r\n` +
        `Host: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        (address === undefined ? '' : `X-Forwarded-For: ${address}\r\n`) +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
  }

  /** Sends one Engine.IO text packet. */
  send(text: string): void {
    this.socket.write(textFrame(text));
  }

  /** Sends one Engine.IO binary packet: an attachment. */
  sendBytes(bytes: Buffer): void {
    this.socket.write(binaryFrame(bytes));
  }

  /** Without a goodbye, as when a network goes. */
  destroy(): void {
    this.socket.destroy();
  }

  private take(buffer: Buffer, end: number): number {
    let start = 0;
    if (!this.upgraded) {
      const head = buffer.subarray(0, end).indexOf(HEAD_END);
      if (head < 0) return 0;
      if (buffer.toString('latin1', 9, 12) !== '101') {
        this.events.onError(this, buffer.toString('latin1', 0, Math.min(end, 200)));
        this.destroy();
        return end;
      }
      this.upgraded = true;
      start = head + HEAD_END.length;
    }
    const view = start === 0 ? buffer : buffer.subarray(start);
    const frame = (opcode: number, from: number, to: number) => this.frame(view, opcode, from, to);
    return start + eachFrame(view, end - start, frame);
  }

  private frame(buffer: Buffer, opcode: number, from: number, to: number): void {
    if (opcode !== 1) {
      if (opcode === 8) this.destroy();
      return;
    }
    const first = buffer[from];
    if (first === DIGIT_2) {
      this.socket.write(PONG);
      return;
    }
    if (first === DIGIT_0) {
      this.send(this.connectPacket);
      return;
    }
    if (first !== DIGIT_4) return;
    const second = buffer[from + 1];
    if (second === DIGIT_3) this.ack(buffer, from, to);
    else if (second === DIGIT_2) this.event(buffer, from, to);
    else if (second === DIGIT_0) this.events.onConnected(this);
    else this.events.onError(this, buffer.toString('utf8', from, to));
  }

  // 437[{"success":true,"data":{…}}]
  private ack(buffer: Buffer, from: number, to: number): void {
    let id = 0;
    let at = from + 2;
    for (; at < to; at += 1) {
      const byte = buffer[at] ?? 0;
      if (byte < DIGIT_0 || byte > DIGIT_9) break;
      id = id * 10 + byte - DIGIT_0;
    }
    const ok = buffer.compare(ACK_OK, 0, ACK_OK.length, at, at + ACK_OK.length) === 0;
    this.events.onAck(this, id, ok, buffer, from, to);
  }

  private event(buffer: Buffer, from: number, to: number): void {
    // 42["new_message",{…,"seq":7,…}]: told apart by one byte, 42["n
    if (buffer[from + 4] !== NEW_MESSAGE[4]) {
      const text = buffer.toString('utf8', from, Math.min(to, from + 300));
      if (text.startsWith('42["error"')) this.events.onError(this, text);
      return;
    }
    this.events.onMessage(this, seqOf(buffer, from, to), buffer, from, to);
  }
}

/** The seq of the message in `buffer[from..to)`; -1 when it has none. */
export function seqOf(buffer: Buffer, from: number, to: number): number {
  let at = from + seqPlace;
  if (at + 8 > to || !isSeqKey(buffer, at)) {
    const found = buffer.indexOf(SEQ_KEY, from);
    if (found < 0 || found >= to) return -1;
    seqPlace = found - from;
    at = found;
  }
  return numberAt(buffer, at + SEQ_KEY.length, to);
}

// "seq":  – quotation marks and the colon are enough: ids and names hold neither.
function isSeqKey(buffer: Buffer, at: number): boolean {
  return buffer[at] === 0x22 && buffer[at + 1] === 0x73 && buffer[at + 5] === 0x3a;
}
