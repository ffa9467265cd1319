/** The connections to other processes, counted with those of the clients they are opened for. */
import { Agent, type AgentOptions } from 'node:http';
import type { ConnectionCap } from '../realtime/connection-cap.ts';

type CreateConnection = Agent['createConnection'];

/** An agent that tells the cap of each connection it opens and closes. */
export class CountedAgent extends Agent {
  readonly #connections: ConnectionCap | undefined;

  constructor(options: AgentOptions, connections: ConnectionCap | undefined) {
    super(options);
    this.#connections = connections;
  }

  override createConnection(...args: Parameters<CreateConnection>): ReturnType<CreateConnection> {
    const socket = super.createConnection(...args);
    const connections = this.#connections;
    if (socket && connections !== undefined) {
      connections.opened();
      socket.once('close', connections.closed);
    }
    return socket;
  }
}
