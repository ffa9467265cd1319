/** Frames on their way into a WebSocket. */
import type { Frame } from '../protocol/engine-packet.ts';
import { utf8 } from '../shared/native-text.ts';
import type { WebSocket } from './uws.ts';

/** 1 when all went to the kernel; see `WebSocket.send`. */
export function sendFrame(socket: WebSocket<unknown>, frame: Frame): number {
  return typeof frame === 'string' ? socket.send(utf8(frame), false) : socket.send(frame, true);
}

/** Runs `send`; what it sends goes out in one write, or several if it is long. @throws what `send` does */
export function sendTogether(socket: WebSocket<unknown>, send: () => void): void {
  let failure: { error: unknown } | undefined;
  socket.cork(() => {
    try {
      send();
    } catch (error) {
      // Nothing may be thrown through native code.
      failure = { error };
    }
  });
  if (failure !== undefined) throw failure.error;
}
