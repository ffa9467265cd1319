/** Connections that an abuser opens for one attempt each. */
import { Client, type ClientEvents } from '../client.ts';
import { codeOf, type Tell } from './abuser.ts';

/** Under way at a time; an attempt beyond them is not made. */
const MAX_OPEN = 100;

export interface Once {
  credential: string;
  /** The address to state in X-Forwarded-For. */
  address: string;
  /** What it answers the handshake with; left out: CONNECT. */
  connect?: string;
  /** What it does once it is connected, and stays; left out: it goes. */
  stay?(client: Client): void;
}

/** @param ending then those that have stayed go */
export function createOnce(port: number, tell: Tell, ending: AbortSignal) {
  const open = new Set<Client>();
  ending.addEventListener('abort', () => {
    for (const client of open) client.destroy();
  });
  return {
    /** Makes a connection whose end is told as that of `kind`; false: too many are open. */
    make(kind: string, { credential, address, connect, stay }: Once): boolean {
      if (open.size >= MAX_OPEN) return false;
      let outcome = 'cut';
      const events: ClientEvents = {
        onMessage: () => undefined,
        onAck: () => undefined,
        onConnected(client) {
          if (stay !== undefined) stay(client);
          else {
            outcome = 'accepted';
            client.destroy();
          }
        },
        onError(client, text) {
          outcome = codeOf(text);
          client.destroy();
        },
        onClose(client) {
          open.delete(client);
          tell(kind, ending.aborted && outcome === 'cut' ? 'kept' : outcome);
        },
      };
      const client = new Client(0, port, credential, events, address);
      if (connect !== undefined) client.connectPacket = connect;
      open.add(client);
      return true;
    },
  };
}
