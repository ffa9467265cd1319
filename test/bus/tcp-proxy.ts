/** A TCP proxy that can be slow, or swallow everything and say nothing. */
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Each chunk is held this long, in either direction. */
  setDelayMs(ms: number): void;
  /** While true both sides stay open and nothing passes: a half-open link. */
  setSwallowing(on: boolean): void;
  stop(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let delayMs = 0;
  let swallowing = false;
  const sockets = new Set<Socket>();

  function pipe(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (swallowing) return;
      // Timers of one length fire in the order they were set: chunks keep theirs.
      if (delayMs === 0) to.write(chunk);
      else setTimeout(() => to.writable && to.write(chunk), delayMs);
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  }

  const server = createServer((inward) => {
    const outward = connect(targetPort, '127.0.0.1');
    sockets.add(inward).add(outward);
    pipe(inward, outward);
    pipe(outward, inward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  return {
    port: address.port,
    setDelayMs(ms) {
      delayMs = ms;
    },
    setSwallowing(on) {
      swallowing = on;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
