/** The load generator, in a process of its own. */
import { Value } from '@sinclair/typebox/value';
import { type LoadPlan, LoadResult } from '../load/plan.ts';
import { startChild } from './child.ts';
import type { Tree } from './tree.ts';

const READY_MS = 30_000;

export interface LoadProcess {
  /**
   * Runs a plan to its end.
   *
   * @throws Error when it could not be carried out (not: when messages were lost)
   */
  run(plan: LoadPlan, timeoutMs: number): Promise<LoadResult>;
  /** Tells a plan that goes on until it is told to end; its result still comes. */
  finish(): void;
  /** Ends the process, and with it connections left open on purpose. */
  stop(): Promise<void>;
}

export async function startLoad(tree: Tree): Promise<LoadProcess> {
  const child = startChild([tree.script('load/main.js')], { NODE_ENV: 'production' });
  try {
    await child.nextMessage(READY_MS);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    async run(plan, timeoutMs) {
      child.process.send(plan);
      const message = Object(await child.nextMessage(timeoutMs));
      if (message.result === undefined) throw new Error(`the load generator: ${message.error}`);
      return Value.Parse(LoadResult, message.result);
    },
    finish: () => void child.process.send('finish'),
    stop: () => child.stop(),
  };
}

/** One plan in a process of its own, with nothing left behind. */
export async function runLoad(tree: Tree, plan: LoadPlan, timeoutMs: number): Promise<LoadResult> {
  const load = await startLoad(tree);
  try {
    return await load.run(plan, timeoutMs);
  } finally {
    await load.stop();
  }
}
