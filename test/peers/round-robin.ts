/** A load balancer that knows nothing of sessions: every new TCP connection goes to the next node. */
import { connect, createServer, type Socket } from 'node:net';

export interface RoundRobin {
  readonly url: string;
  readonly port: number;
  /** Connections each node has got so far. */
  counts(): readonly number[];
  stop(): Promise<void>;
}

/** In front of these ports of 127.0.0.1; a node that does not answer is passed over. */
export async function startRoundRobin(ports: readonly number[]): Promise<RoundRobin> {
  const open = new Set<Socket>();
  const counts = ports.map(() => 0);
  let turn = 0;

  function track(socket: Socket): void {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => open.delete(socket));
  }

  function pair(client: Socket, index: number, attempts: number): void {
    const node = connect(ports[index] ?? 0, '127.0.0.1');
    track(node);
    node.once('connect', () => {
      counts[index] = (counts[index] ?? 0) + 1;
      node.removeAllListeners('error').on('error', () => client.destroy());
      client.on('error', () => node.destroy());
      // An end is passed on behind the data before it, a break at once.
      client.pipe(node).pipe(client);
      client.on('close', (broken) => (broken ? node.destroy() : node.end()));
    });
    node.once('error', () => {
      if (attempts > 1) pair(client, (index + 1) % ports.length, attempts - 1);
      else client.destroy();
    });
  }

  const server = createServer((client) => {
    track(client);
    client.on('error', () => client.destroy());
    pair(client, turn++ % ports.length, ports.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    counts: () => counts,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
