/** The benches by name, in the order in which they run. */
import type { BenchContext } from '../harness/context.ts';
import type { BenchResult } from '../harness/result.ts';
import { durable } from './durable.ts';

export const BENCHES = {
  durable,
} satisfies Record<string, (context: BenchContext) => Promise<BenchResult>>;

export type BenchName = keyof typeof BENCHES;
