/** The load generator's process: one plan in by IPC, one result out, then it waits for the next. */
import { Value } from '@sinclair/typebox/value';
import { runAbuse } from './abuse.ts';
import { runConnections } from './connections.ts';
import { runHttp } from './http.ts';
import { LoadPlan, type LoadResult } from './plan.ts';
import { runStorm } from './storm.ts';
import { runTraffic } from './traffic.ts';

/** Ends a plan that goes on until it is told. */
let stopping = new AbortController();

function run(plan: LoadPlan): Promise<LoadResult> {
  switch (plan.kind) {
    case 'traffic':
      return runTraffic(plan);
    case 'connections':
      return runConnections(plan);
    case 'storm':
      return runStorm(plan);
    case 'http':
      return runHttp(plan);
    case 'abuse':
      return runAbuse(plan, stopping.signal);
  }
}

process.on('message', (message: unknown) => {
  if (message === 'finish') {
    stopping.abort();
    return;
  }
  stopping = new AbortController();
  run(Value.Parse(LoadPlan, message)).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : error }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
