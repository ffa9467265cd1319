/**
 * A worker's side of the channel to its supervisor: what it is told to do, and the figures of all.
 *
 * Guarantees: messages are checked or ignored; a scrape is answered for all workers or refused within
 * `SCRAPE_MS`, never with the figures of this one alone; the end of the supervisor is told.
 */
import { SCRAPE_MS } from '../bounds/workers.ts';
import { ChatError } from '../chat/errors.ts';
import type { Figures } from '../metrics/merge.ts';
import { readToWorker, type StartMessage, type ToSupervisor } from './messages.ts';

/** The figures of this process alone. */
export interface OwnFigures {
  readonly contentType: string;
  figures(): Promise<Figures>;
}

export interface WorkerSeat {
  readonly order: Omit<StartMessage, 'type'>;
  /** Resolves when the supervisor is gone, however it went. */
  readonly supervisorGone: Promise<void>;
  /** Lets the supervisor ask for these figures; returns those of all workers as Prometheus text. */
  share(own: OwnFigures): { readonly contentType: string; text(): Promise<string> };
  /** Tells the supervisor that this worker takes connections. */
  listening(): void;
  /** Tells the supervisor why this worker cannot start; resolves when it has been told. */
  failed(sentence: string): Promise<void>;
  /** Leaves the last figures with the supervisor: nothing counted is lost with the process. */
  farewell(): Promise<void>;
}

/**
 * Waits for the supervisor's first message.
 *
 * @throws Error when there is no supervisor
 */
export async function takeSeat(): Promise<WorkerSeat> {
  if (process.send === undefined) {
    throw new Error('a worker is started by its supervisor: set WORKERS instead');
  }
  const supervisorGone = new Promise<void>((resolve) => {
    process.once('disconnect', resolve);
  });
  let own: OwnFigures | null = null;
  /** The one question under way; whoever asks meanwhile waits for its answer too. */
  let asked: { id: number; answer: Promise<string>; settle: (text: string) => void } | null = null;
  let lastId = 0;

  function ask(): Promise<string> {
    const id = ++lastId;
    let settle: (text: string) => void = () => undefined;
    const answer = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new ChatError('unavailable', 'The supervisor does not answer.'));
      }, SCRAPE_MS);
      settle = (text) => {
        clearTimeout(timer);
        resolve(text);
      };
    }).finally(() => {
      asked = null;
    });
    asked = { id, answer, settle };
    void say({ type: 'scrape', id });
    return answer;
  }

  const order = await new Promise<StartMessage>((resolve, reject) => {
    process.on('message', (sent) => {
      const message = readToWorker(sent);
      if (message?.type === 'start') resolve(message);
      if (message?.type === 'exposition' && asked?.id === message.id) asked.settle(message.text);
      if (message?.type === 'collect') void tell(own);
      if (message?.type === 'ask') void say({ type: 'alive' });
    });
    supervisorGone.then(() => reject(new Error('the supervisor has ended')));
  });

  return {
    order,
    supervisorGone,
    share(figures) {
      own = figures;
      return { contentType: figures.contentType, text: () => asked?.answer ?? ask() };
    },
    listening: () => void say({ type: 'listening' }),
    failed: (sentence) => say({ type: 'failed', sentence }),
    farewell: () => tell(own),
  };
}

/** Tells figures, also that there are none or that they cannot be read: who is silent is not asked again. */
async function tell(own: OwnFigures | null): Promise<void> {
  const figures = await own?.figures().catch(() => null);
  await say({ type: 'figures', figures: figures ?? null });
}

/**
 * Sends a message. Resolves when it is written, or cannot be: then the supervisor is gone, which is told
 * elsewhere.
 */
function say(message: ToSupervisor): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) resolve();
    else process.send?.(message, undefined, undefined, () => resolve());
  });
}
