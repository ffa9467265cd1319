/**
 * Several processes on one port, kept running.
 *
 * Guarantees: as many workers as wanted, each started again when it dies, ever more slowly while it
 * goes on dying; one that does not answer any more is killed, and so started again; a rolling restart never
 * has fewer listening than before; after `stop` none is left.
 * It does nothing else: a supervisor that serves nobody has little to fail at.
 */
import { RESTART_FIRST_MS, RESTART_MAX_MS, STEADY_MS } from '../bounds/workers.ts';
import type { Logger } from '../log.ts';
import { createSupervisorMetrics } from '../metrics/supervisor-metrics.ts';
import { createCollection } from './collection.ts';
import { createPulse, type PulseLimits } from './pulse.ts';
import { startWorker, type WorkerDeps, type WorkerProcess } from './worker-process.ts';

export interface SupervisorDeps {
  /** The file a worker runs. */
  entry: string;
  workers: number;
  /** The order that every worker is given, besides its number. */
  order: Omit<WorkerDeps['order'], 'worker'>;
  /** How long a worker that ends sends its connections away, milliseconds. */
  graceMs: number;
  /** When a worker that does not answer is given up. */
  pulse: PulseLimits;
  log: Logger;
}

export interface Supervisor {
  /**
   * Starts the workers; resolves when all listen.
   *
   * @throws Error with the sentence of the first that cannot start; `stop` ends the others
   */
  start(): Promise<void>;
  /** One worker after the other gets a successor. Asked for during one, another follows it. */
  restart(): void;
  /**
   * Ends the workers, which drain first.
   *
   * @throws Error when some had to be killed
   */
  stop(): Promise<void>;
  /** Kills the workers. To be followed by the end of this process: otherwise they are started again. */
  kill(): void;
}

/** The place of one worker: empty between its end and the next start. */
interface Slot {
  readonly number: number;
  current: WorkerProcess | null;
  /** A successor is starting: nobody else is to. */
  replacing: boolean;
  retry: NodeJS.Timeout | undefined;
  nextDelayMs: number;
}

/** The supervisor of this process; nothing runs before `start`. */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { entry, workers, order, graceMs, log } = deps;
  const slots = Array.from(
    { length: workers },
    (_, index): Slot => ({
      number: index + 1,
      current: null,
      replacing: false,
      retry: undefined,
      nextDelayMs: RESTART_FIRST_MS,
    }),
  );
  /** All workers that have not ended: during a rolling restart also those that go and those that come. */
  const alive = new Set<WorkerProcess>();
  const counts = { restarts: 0, unanswered: 0 };
  let started = false;
  let stopping = false;
  let rolling = false;
  let rollAgain = false;

  const listening = () => [...alive].filter((worker) => worker.isListening());
  const collection = createCollection({
    workers: listening,
    own: createSupervisorMetrics(() => ({
      wanted: workers,
      running: listening().length,
      ...counts,
    })),
    onUnanswered({ number, pid }) {
      counts.unanswered += 1;
      log.warn({ worker: number, pid }, 'a worker does not tell its figures');
    },
  });

  // One that ends has a deadline of its own.
  const pulse = createPulse({
    workers: () => listening().filter((worker) => !worker.isStopping()),
    limits: deps.pulse,
    onSilent(worker) {
      const { number, pid } = worker;
      log.error({ worker: number, pid }, 'a worker does not answer: it is killed');
      worker.kill();
    },
  });

  function launch(slot: Slot): WorkerProcess {
    const worker = startWorker({
      entry,
      order: { ...order, worker: slot.number },
      graceMs,
      exposition: () =>
        collection.text().catch((error: unknown) => {
          log.error({ err: error }, 'the figures of the workers could not be merged');
          return null;
        }),
    });
    const { number, pid } = worker;
    alive.add(worker);
    worker.listening.then(
      () => log.info({ worker: number, pid }, 'a worker listens'),
      () => undefined, // Told when it has ended.
    );
    void worker.ended.then((how) => {
      alive.delete(worker);
      collection.retire(worker);
      afterEnd(slot, worker, how);
    });
    return worker;
  }

  function afterEnd(slot: Slot, worker: WorkerProcess, how: string): void {
    const fields = { worker: worker.number, pid: worker.pid, how };
    if (stopping || slot.current !== worker) {
      log.info(fields, 'a worker has ended');
      return;
    }
    slot.current = null;
    // Before the service is up `start` tells, and nobody starts it again.
    if (!started && worker.livedMs() === 0) return;
    log.error(fields, 'a worker has ended by itself');
    if (worker.livedMs() >= STEADY_MS) slot.nextDelayMs = RESTART_FIRST_MS;
    if (!slot.replacing) retryLater(slot);
  }

  function retryLater(slot: Slot): void {
    const delayMs = slot.nextDelayMs;
    slot.nextDelayMs = Math.min(delayMs * 2, RESTART_MAX_MS);
    log.info({ worker: slot.number, delayMs }, 'a worker is started again');
    slot.retry = setTimeout(() => {
      counts.restarts += 1;
      slot.current = launch(slot);
    }, delayMs);
  }

  /** Starts a successor. Returns whether it listens; if not, what was there stays. */
  async function replace(slot: Slot): Promise<boolean> {
    clearTimeout(slot.retry);
    slot.replacing = true;
    const successor = launch(slot);
    const up = await successor.listening.then(
      () => true,
      (error: unknown) => {
        log.error({ worker: slot.number, err: error }, 'the successor of a worker does not start');
        return false;
      },
    );
    slot.replacing = false;
    if (stopping) return false;
    const predecessor = slot.current;
    if (!up) {
      if (predecessor === null) retryLater(slot);
      return false;
    }
    slot.current = successor;
    await predecessor?.stop();
    return true;
  }

  async function roll(): Promise<void> {
    log.info('rolling restart: begins');
    for (const slot of slots) {
      const replaced = await replace(slot);
      if (stopping) return;
      if (replaced) continue;
      log.error('rolling restart: given up');
      return;
    }
    log.info('rolling restart: done');
  }

  async function rollUntilAsked(): Promise<void> {
    rolling = true;
    do {
      rollAgain = false;
      await roll();
    } while (rollAgain && !stopping);
    rolling = false;
  }

  return {
    async start() {
      for (const slot of slots) slot.current = launch(slot);
      await Promise.all(slots.map(({ current }) => current?.listening));
      started = true;
    },

    restart() {
      if (!started || stopping) return;
      if (rolling) rollAgain = true;
      else void rollUntilAsked();
    },

    async stop() {
      stopping = true;
      pulse.stop();
      for (const { retry } of slots) clearTimeout(retry);
      const peaceful = await Promise.all([...alive].map((worker) => worker.stop()));
      const killed = peaceful.filter((itself) => !itself).length;
      if (killed > 0) throw new Error(`${killed} of the workers had to be killed`);
    },

    kill() {
      for (const worker of alive) worker.kill();
    },
  };
}
