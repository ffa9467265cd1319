/**
 * The little of a `net.Socket` that Fastify and its plugins read of a request on uWebSockets.js. It gives the
 * client's address and an end to the connection, and no way to read or write.
 */
import { EventEmitter } from 'node:events';

/** What a request needs of its response: the client's address while there is one, and its end. */
export interface Answering {
  /** The client's binary address; undefined once the connection was let go. */
  remoteAddressBytes(): ArrayBuffer | undefined;
  /** Whether the response is over: sent in full, aborted or destroyed. */
  readonly settled: boolean;
  /** Closes the connection. */
  destroy(error?: Error): unknown;
}

/** Stands for the response until there is one. */
export const nobody: Answering = {
  settled: true,
  remoteAddressBytes: () => undefined,
  destroy: () => undefined,
};

/** Made only when it is asked for. */
export class UwsSocket extends EventEmitter {
  readonly encrypted = false;
  readonly remotePort: number | undefined = undefined;
  readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
  destroyed = false;
  readonly remoteAddress: string | undefined;
  readonly #answer: Answering;

  constructor(answer: Answering, address: string | undefined) {
    super();
    this.#answer = answer;
    this.remoteAddress = address;
    this.remoteFamily = address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4';
    this.destroyed = answer.settled;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  destroy(error?: Error): this {
    this.#answer.destroy(error);
    return this;
  }

  // uWebSockets.js has its own timers and socket options; asking for others changes nothing.
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
