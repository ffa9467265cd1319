// A TCP proxy that loses things, for tests about broken links. It passes bytes through until told
// otherwise; what it does to a connection it does at a byte it was told to look for.

import { connect, createServer, type Socket } from 'node:net';

export interface Swallow {
  /** Whose bytes are watched. */
  from: 'client' | 'server';
  /** The bytes to look for; the piece of data that completes them is lost with all after it. */
  text: string;
  /** What the connection does then: nothing any more, or it closes. */
  effect: 'silence' | 'close';
}

export interface TcpProxy {
  readonly port: number;
  /** `url` with this proxy in the place of its host and port. */
  through(url: string): string;
  /** Resolves when a connection has met the text. Applies once, to whichever connection is first. */
  swallowNext(swallow: Swallow): Promise<void>;
  /** Passes nothing in either direction; new connections are accepted and stay silent. */
  pause(): void;
  /** Passes on what was held back. */
  resume(): void;
  /** While swallowing, what comes from either side is lost and both stay open: a half-open link. */
  swallow(swallowing: boolean): void;
  /** Delays every piece of data in both directions. */
  delay(ms: number): void;
  /** New connections lead there; those that are open stay where they are. */
  aim(target: { host: string; port: number }): void;
  /** Closes every connection. */
  killAll(): void;
  /** While refusing, new connections are closed at once. */
  refuse(refusing: boolean): void;
  connections(): number;
  stop(): Promise<void>;
}

interface Pair {
  client: Socket;
  server: Socket;
  silent: boolean;
}

/** Starts a proxy on a free port of 127.0.0.1 in front of `first`. */
export async function startTcpProxy(first: { host: string; port: number }): Promise<TcpProxy> {
  let target = first;
  const pairs = new Set<Pair>();
  let armed: (Swallow & { done: () => void }) | undefined;
  let paused = false;
  let swallowing = false;
  let refusing = false;
  let delayMs = 0;

  function end(pair: Pair): void {
    pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }

  /** Whether this piece of data, after what came before it, meets the armed text. */
  function meets(from: Swallow['from'], seen: Buffer): boolean {
    return armed !== undefined && armed.from === from && seen.includes(armed.text);
  }

  function forward(pair: Pair, from: Swallow['from']): void {
    const [source, sink] =
      from === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
    let tail: Buffer = Buffer.alloc(0);
    source.on('data', (data) => {
      if (pair.silent || swallowing) return;
      const seen = Buffer.concat([tail, data]);
      if (meets(from, seen) && armed !== undefined) {
        const { effect, done } = armed;
        armed = undefined;
        pair.silent = true;
        if (effect === 'close') end(pair);
        done();
        return;
      }
      tail = seen.subarray(Math.max(0, seen.length - (armed?.text.length ?? 1) + 1));
      if (delayMs === 0) sink.write(data);
      else setTimeout(() => sink.write(data), delayMs);
    });
    source.on('error', () => end(pair));
    source.on('close', () => end(pair));
  }

  const listener = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    const pair: Pair = { client, server: connect(target.port, target.host), silent: false };
    pairs.add(pair);
    for (const socket of [pair.client, pair.server]) socket.setNoDelay(true);
    forward(pair, 'client');
    forward(pair, 'server');
    if (paused) hold(pair);
  });

  function hold(pair: Pair): void {
    pair.client.pause();
    pair.server.pause();
  }

  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port');
  const { port } = address;

  return {
    port,
    through: (url) => {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(port);
      return changed.href;
    },
    swallowNext: (swallow) =>
      new Promise((done) => {
        armed = { ...swallow, done };
      }),
    pause: () => {
      paused = true;
      for (const pair of pairs) hold(pair);
    },
    resume: () => {
      paused = false;
      for (const pair of pairs) {
        pair.client.resume();
        pair.server.resume();
      }
    },
    swallow: (value) => {
      swallowing = value;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    aim: (next) => {
      target = next;
    },
    killAll: () => {
      for (const pair of pairs) end(pair);
    },
    refuse: (value) => {
      refusing = value;
    },
    connections: () => pairs.size,
    stop: async () => {
      for (const pair of pairs) end(pair);
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}
