/** A socket of an abuser that is opened again whenever it is cut. */
import { Client } from '../client.ts';
import { credentialOf } from '../credentials.ts';
import { type AbusePlace, abuserId, codeOf, type Tell } from './abuser.ts';

const REOPEN_MS = 50;

export interface KeptSocket {
  /** Emits an event whose answer is told as that of `kind`; false: the socket is not connected. */
  emit(kind: string, event: string, payload: object): boolean;
  end(): void;
}

/** @param address whose client it says it is, in X-Forwarded-For */
export function keepSocket(place: AbusePlace, address: string, tell: Tell): KeptSocket {
  /** Kinds by the id of their acknowledgement. */
  const waiting = new Map<number, string>();
  const credential = credentialOf(abuserId(), place.tokenSecret);
  let asked = 0;
  let connected = false;
  let ended = false;
  let timer: NodeJS.Timeout | null = null;
  let client = open();

  function open(): Client {
    return new Client(
      0,
      place.port,
      credential,
      {
        onConnected() {
          connected = true;
        },
        onMessage: () => undefined,
        onAck(_client, id, ok, buffer, from, to) {
          const kind = waiting.get(id);
          waiting.delete(id);
          if (kind === undefined) return;
          tell(kind, ok ? 'accepted' : codeOf(buffer.toString('utf8', from, to)));
        },
        // What is wrong comes as the answer, or the socket is closed.
        onError: () => undefined,
        onClose() {
          connected = false;
          for (const kind of waiting.values()) tell(kind, 'cut');
          waiting.clear();
          if (ended) return;
          timer = setTimeout(() => {
            client = open();
          }, REOPEN_MS);
        },
      },
      address,
    );
  }

  return {
    emit(kind, event, payload) {
      if (!connected) return false;
      asked += 1;
      waiting.set(asked, kind);
      client.send(`42${asked}${JSON.stringify([event, payload])}`);
      return true;
    },
    end() {
      ended = true;
      client.destroy();
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** Several, each of an address of its own. */
export function keepSockets(place: AbusePlace, count: number, tell: Tell) {
  const sockets = Array.from({ length: count }, (_, n) =>
    keepSocket(place, `198.18.${n >> 8}.${n & 255}`, tell),
  );
  return {
    /** The n-th in turn. */
    at(n: number): KeptSocket {
      const socket = sockets[n % count];
      if (socket === undefined) throw new RangeError('no sockets are kept');
      return socket;
    },
    end() {
      for (const socket of sockets) socket.end();
    },
  };
}
