/** What the supervisor and its workers say to each other over the IPC channel. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/** The argument that makes the entry point a worker. */
export const WORKER_ARGUMENT = '--worker';

const Id = Type.Integer({ minimum: 0 });

const ToWorker = Type.Union([
  /** First, once: what is the same for all workers, and the number of this one. */
  Type.Object({
    type: Type.Literal('start'),
    worker: Type.Integer({ minimum: 1 }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    databaseUrl: Type.String(),
    ownDatabase: Type.Boolean(),
  }),
  /** Asks whether the worker lives. */
  Type.Object({ type: Type.Literal('ask') }),
  /** Asks for the worker's figures. */
  Type.Object({ type: Type.Literal('collect') }),
  /** The answer to `scrape`: the text for Prometheus. */
  Type.Object({ type: Type.Literal('exposition'), id: Id, text: Type.String() }),
]);

const ToSupervisor = Type.Union([
  Type.Object({ type: Type.Literal('listening') }),
  /** The worker cannot start; the sentence says why. */
  Type.Object({ type: Type.Literal('failed'), sentence: Type.String() }),
  /** The answer to `ask`. */
  Type.Object({ type: Type.Literal('alive') }),
  /** Somebody asks this worker for the figures of all. */
  Type.Object({ type: Type.Literal('scrape'), id: Id }),
  /** The answer to `collect`, and the last words of a worker that goes. */
  Type.Object({ type: Type.Literal('figures'), figures: Type.Unknown() }),
]);

export type ToWorker = Static<typeof ToWorker>;
export type ToSupervisor = Static<typeof ToSupervisor>;
export type StartMessage = Extract<ToWorker, { type: 'start' }>;

/** The message, or null for anything else: tools that run the process use the channel too. */
export function readToWorker(message: unknown): ToWorker | null {
  return read(ToWorker, message);
}

/** The message of a worker, or null for anything else. `figures` are for `metrics/` to look at. */
export function readToSupervisor(message: unknown): ToSupervisor | null {
  return read(ToSupervisor, message);
}

function read<T extends TSchema>(schema: T, message: unknown): Static<T> | null {
  return Value.Check(schema, message) ? message : null;
}
