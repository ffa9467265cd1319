/** The stock client with the service's events typed, and one way to ask: an answer or why there is none. */
import type {
  Acknowledged,
  Acknowledgement,
  ClientEvent,
  ClientEventPayload,
  MessagingSocket,
} from 'messaging-service/events';
import { io } from 'socket.io-client';
import type { Identity } from './rest.ts';

const ANSWER_DEADLINE_MS = 10_000;
const RETRY_PAUSE_MS = { first: 500, most: 8_000 };
/** Codes after which the same request may succeed later; `lost`: no answer came. */
const RETRYABLE = new Set(['unavailable', 'rate_limited', 'lost']);

export type Reply<T> = { ok: true; data: T } | { ok: false; code: string; message: string };

/** What `timeout` of the stock client gives, for an event that is not known where it is written. */
interface Asking {
  emit<E extends ClientEvent>(
    event: E,
    payload: ClientEventPayload<E>,
    answered: (lost: Error | null, answer?: Acknowledgement<E>) => void,
  ): unknown;
}

export type LineState =
  | { phase: 'connecting' }
  | { phase: 'online' }
  | { phase: 'offline'; reason: string }
  /** The service does not want this person, or has ended the connection: it does not come back by itself. */
  | { phase: 'refused'; reason: string };

export function openLine(identity: () => Identity, onState: (state: LineState) => void) {
  const { userId, token } = identity();
  const socket: MessagingSocket = io({
    forceNew: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 4_000,
    // Asked at every connect: the token may have been replaced meanwhile.
    ...(token === null
      ? { query: { userId } }
      : { auth: (give: (data: object) => void) => give({ token: identity().token }) }),
  });
  socket.on('connect', () => onState({ phase: 'online' }));
  socket.on('disconnect', (reason) =>
    onState(
      socket.active
        ? { phase: 'offline', reason: 'The connection is lost.' }
        : { phase: 'refused', reason: `The connection was ended (${reason}).` },
    ),
  );
  socket.on('connect_error', (error) =>
    onState(
      socket.active
        ? { phase: 'offline', reason: 'The service cannot be reached.' }
        : { phase: 'refused', reason: error.message },
    ),
  );

  return {
    get connected(): boolean {
      return socket.connected;
    },
    /** Changes with every connection. */
    get id(): string | undefined {
      return socket.id;
    },

    /** What the stock client's `on` does. */
    on: socket.on.bind(socket) as MessagingSocket['on'],

    /**
     * Emits and resolves with the answer.
     *
     * @param now called in the turn in which the answer arrives, before any event after it
     */
    ask<E extends ClientEvent>(
      event: E,
      payload: ClientEventPayload<E>,
      now?: (data: Acknowledged<E>) => void,
    ): Promise<Reply<Acknowledged<E>>> {
      return new Promise((resolve) => {
        // Nothing waits in the stock client's own buffer: what is to be repeated is repeated here.
        if (!socket.connected) return resolve({ ok: false, code: 'lost', message: 'offline' });
        const asking = socket.timeout(ANSWER_DEADLINE_MS) as Asking;
        asking.emit(event, payload, (lost, answer) => {
          if (lost !== null || answer === undefined) {
            resolve({ ok: false, code: 'lost', message: 'No answer came.' });
          } else if (answer.success) {
            now?.(answer.data);
            resolve({ ok: true, data: answer.data });
          } else {
            const { code, message } = answer.error;
            resolve({ ok: false, code, message });
          }
        });
      });
    },

    /** Connects again where the client does not by itself. */
    reconnect(): void {
      onState({ phase: 'connecting' });
      socket.connect();
    },

    transport: (): string => socket.io.engine?.transport?.name ?? '',
    close: (): void => void socket.close(),
  };
}

export type Line = ReturnType<typeof openLine>;

export const isRetryable = (code: string): boolean => RETRYABLE.has(code);

/** Waits before try number `attempt` (from 0): longer each time, spread so that clients do not meet. */
export function pause(attempt: number): Promise<void> {
  const most = Math.min(RETRY_PAUSE_MS.most, RETRY_PAUSE_MS.first * 2 ** attempt);
  return new Promise((resolve) => setTimeout(resolve, most * (0.5 + Math.random() / 2)));
}
