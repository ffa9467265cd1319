/**
 * A TCP connection to a server under load, read with as little work as there is: all of them read into
 * one buffer, and what a reader leaves is put before what comes next.
 */
import { connect, type Socket } from 'node:net';

export interface StreamEvents {
  /**
   * Takes what is whole of `buffer[0..end)`, which is valid during the call only.
   *
   * @returns how many bytes were taken
   */
  take(buffer: Buffer, end: number): number;
  onError(text: string): void;
  onClose(): void;
}

const shared = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Each process has an address of its own on the loopback network: with all from one, the kernel
 * searches ever longer for a free port, until that costs more than the server does.
 */
const SOURCE =
  process.platform === 'linux'
    ? { localAddress: `127.${1 + ((process.pid >> 8) & 0x7f)}.${process.pid & 0xff}.1` }
    : {};

/** What is written before it is connected goes out then. */
export function openStream(port: number, events: StreamEvents): Socket {
  let rest: Buffer | null = null;

  function read(chunk: Buffer, count: number): void {
    let buffer = chunk;
    let end = count;
    if (rest !== null) {
      buffer = Buffer.concat([rest, chunk.subarray(0, count)]);
      end = buffer.length;
      rest = null;
    }
    const taken = events.take(buffer, end);
    if (taken < end) rest = Buffer.from(buffer.subarray(taken, end));
  }

  const socket = connect({
    port,
    host: '127.0.0.1',
    ...SOURCE,
    noDelay: true,
    onread: {
      buffer: shared,
      callback: (count, buffer) => {
        read(buffer as Buffer, count);
        return true;
      },
    },
  });
  socket.on('error', (error) => events.onError(error.message));
  socket.on('close', () => events.onClose());
  return socket;
}

/** The decimal number that begins at `at`; 0 when there is none. */
export function numberAt(buffer: Buffer, at: number, to: number): number {
  let number = 0;
  for (let i = at; i < to; i += 1) {
    const digit = (buffer[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  return number;
}
