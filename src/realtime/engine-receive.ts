/**
 * What a session makes of what its client sends: frames of a WebSocket, packets of any transport.
 *
 * Guarantees: nothing is looked at unless the session is open and admits it; a handler that throws ends
 * this session only.
 */

import { decodeEnginePacket, type EnginePacket } from '../protocol/engine-packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { CloseReason } from './close-reasons.ts';
import type { SessionHandler } from './engine-host.ts';

/** A session as seen from here. */
export interface Receiving {
  readonly state: string;
  /** See `Beating`. */
  pongTick: number;
  /** Takes account of a packet of so many bytes; whether it may be looked at. */
  admits(bytes: number): boolean;
  abort(reason: CloseReason, answer?: '6'): void;
  /** A handler threw. */
  fail(error: unknown): void;
}

export interface ReceivingHost<Session> {
  readonly handler: Pick<SessionHandler<Session>, 'onMessage' | 'onControl'>;
  readonly wheel: { tick(): number };
}

const MESSAGE = 0x34; // '4'
const PONG = 0x33; // '3'

/** A frame of the session's WebSocket; the memory of `frame` dies when this returns. */
export function receiveFrame<Session extends Receiving>(
  session: Session,
  host: ReceivingHost<Session>,
  frame: ArrayBuffer,
  isBinary: boolean,
): void {
  if (session.state !== 'open' || !session.admits(frame.byteLength)) return;
  const bytes = Buffer.from(frame);
  if (isBinary) message(session, host, Buffer.from(frame.slice(0)));
  else if (bytes[0] === MESSAGE) message(session, host, bytes.toString('utf8', 1));
  else if (bytes[0] === PONG) pong(session, host);
  else packetText(session, host, bytes.toString());
}

/** A packet that the session has admitted. */
export function receivePacket<Session extends Receiving>(
  session: Session,
  host: ReceivingHost<Session>,
  packet: EnginePacket,
): void {
  if (session.state !== 'open') return;
  switch (packet.type) {
    case 'message':
      message(session, host, packet.data);
      break;
    case 'pong':
      pong(session, host);
      break;
    case 'close':
      session.abort('transport close', '6');
      break;
    case 'ping': // Only servers ping in this version.
      session.abort('transport error');
      break;
    default: // The stock server does nothing about a stray open, upgrade or noop.
      host.handler.onControl(session);
  }
}

function packetText<Session extends Receiving>(
  session: Session,
  host: ReceivingHost<Session>,
  text: string,
): void {
  let packet: EnginePacket;
  try {
    packet = decodeEnginePacket(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    session.abort('parse error');
    return;
  }
  receivePacket(session, host, packet);
}

function pong<Session extends Receiving>(session: Session, host: ReceivingHost<Session>): void {
  session.pongTick = host.wheel.tick();
  host.handler.onControl(session);
}

function message<Session extends Receiving>(
  session: Session,
  host: ReceivingHost<Session>,
  data: string | Uint8Array,
): void {
  try {
    host.handler.onMessage(session, data);
  } catch (error) {
    session.fail(error);
  }
}
