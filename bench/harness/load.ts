/** The load generator: a process for each plan, so that no run inherits another's heap. */
import { Value } from '@sinclair/typebox/value';
import { type LoadPlan, LoadResult } from '../load/plan.ts';
import { startChild } from './child.ts';
import type { Tree } from './tree.ts';

const READY_MS = 30_000;

export interface LoadRun {
  result: LoadResult;
  /** Ends the process, and with it connections left open on purpose. */
  stop(): Promise<void>;
}

/**
 * Runs a plan to its end.
 *
 * @throws Error when the plan could not be carried out (not: when messages were lost)
 */
export async function startLoad(tree: Tree, plan: LoadPlan, timeoutMs: number): Promise<LoadRun> {
  const child = startChild([tree.script('load/main.js')], { NODE_ENV: 'production' });
  try {
    await child.nextMessage(READY_MS);
    child.process.send(plan);
    const message = Object(await child.nextMessage(timeoutMs));
    if (message.result === undefined) throw new Error(`the load generator: ${message.error}`);
    return { result: Value.Parse(LoadResult, message.result), stop: () => child.stop() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** The same, with nothing left behind. */
export async function runLoad(tree: Tree, plan: LoadPlan, timeoutMs: number): Promise<LoadResult> {
  const { result, stop } = await startLoad(tree, plan, timeoutMs);
  await stop();
  return result;
}
