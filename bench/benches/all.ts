/** The benches by name, in the order in which they run. */
import type { BenchContext } from '../harness/context.ts';
import type { BenchResult } from '../harness/result.ts';
import { abuse } from './abuse.ts';
import { codec } from './codec.ts';
import { connections } from './connections.ts';
import { durable } from './durable.ts';
import { fanout } from './fanout.ts';
import { historyDepth } from './history-depth.ts';
import { latency } from './latency.ts';
import { nodes } from './nodes.ts';
import { rest } from './rest.ts';
import { scale } from './scale.ts';
import { storm } from './storm.ts';

export const BENCHES = {
  durable,
  fanout,
  latency,
  connections,
  rest,
  'history-depth': historyDepth,
  codec,
  storm,
  abuse,
  nodes,
  scale,
} satisfies Record<string, (context: BenchContext) => Promise<BenchResult>>;

export type BenchName = keyof typeof BENCHES;
