/**
 * This tree against a git ref: the product of each in fresh processes, in turn, so often; then the
 * ratio of every figure, median and spread. The load generator is that of this tree for both.
 */
import { BENCHES, type BenchName } from '../benches/all.ts';
import { PRODUCT } from '../harness/chat-run.ts';
import type { BenchContext } from '../harness/context.ts';
import { type BenchResult, findRatios, type Sample } from '../harness/result.ts';
import type { Tree } from '../harness/tree.ts';

/** Figures worth a ratio, where a bench has them. */
const METRICS: Record<string, string> = {
  done_per_s: 'done/s',
  server_us_per_done: 'server CPU each',
  server_us_per_delivery: 'server CPU for each delivery',
  delivery_p99_ms: 'p99 send→receive',
  ack_p50_ms: 'median answer',
  ack_p99_ms: 'p99 answer',
  kb_per_connection: 'memory for each connection',
  resumed_ms: 'time until all have resumed',
  foreign_us: 'CPU for a foreign message',
  ratio: 'times as fast as the stock parsers',
};

/** @param trees this one and the ref's */
export async function compareTrees(
  context: BenchContext,
  name: BenchName,
  trees: { now: Tree; then: Tree },
): Promise<BenchResult> {
  const samples: Sample[] = [];
  const failures: string[] = [];
  let title = '';
  for (let round = 0; round < context.rounds; round += 1) {
    const order = round % 2 === 0 ? [trees.now, trees.then] : [trees.then, trees.now];
    for (const tree of order) {
      const result = await BENCHES[name]({
        ...context,
        tree,
        rounds: 1,
        wants: (subject) => subject.startsWith(PRODUCT) && context.wants(subject),
        step: (text) => context.step(`${tree.name}, ${round + 1}/${context.rounds}: ${text}`),
      });
      title = result.title;
      failures.push(...result.failures.map((failure) => `${tree.name}: ${failure}`));
      for (const sample of result.samples) {
        samples.push({ ...sample, round, subject: `${sample.subject} @ ${tree.name}` });
      }
    }
  }
  const cases = new Map(samples.map((s) => [`${s.subject} ${s.case}`, s]));
  const wishes = [...cases.values()]
    .filter(({ subject }) => subject.endsWith(` @ ${trees.now.name}`))
    .flatMap(({ subject, case: of, metrics }) =>
      Object.entries(METRICS)
        .filter(([metric]) => metrics[metric] !== undefined)
        .map(([metric, label]) => ({
          label: `${of}, ${label}: ${subject} / ${trees.then.name}`,
          metric,
          case: of,
          over: subject,
          under: subject.replace(trees.now.name, trees.then.name),
        })),
    );
  return {
    name: `compare-${name}`,
    title: `${title}: ${trees.now.name} / ${trees.then.name}`,
    settings: { compared_with: trees.then.name, rounds: context.rounds },
    samples,
    findings: findRatios(samples, wishes),
    failures,
  };
}
