/** A frame on its way into a WebSocket. */
import type { Frame } from '../protocol/engine-packet.ts';
import { utf8 } from '../shared/native-text.ts';
import type { WebSocket } from './uws.ts';

/** 1 when all went to the kernel; see `WebSocket.send`. */
export function sendFrame(socket: WebSocket<unknown>, frame: Frame): number {
  return typeof frame === 'string' ? socket.send(utf8(frame), false) : socket.send(frame, true);
}
