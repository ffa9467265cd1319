/**
 * history-depth: the same page at growing depth, one request at a time, by offset and by key. The
 * product's pages are found by position, so the curve should be flat; OFFSET's is not.
 */
import { PRODUCT } from '../harness/chat-run.ts';
import { type BenchContext, failuresOf } from '../harness/context.ts';
import { createBenchDatabase } from '../harness/database.ts';
import { fillDeep, LONG, READER } from '../harness/deep-database.ts';
import { type Call, get, measureCalls } from '../harness/http-run.ts';
import { type BenchResult, findRatios, type Sample } from '../harness/result.ts';

const PAGE = 50;
const EXPRESS = 'obvious';

export async function historyDepth(context: BenchContext): Promise<BenchResult> {
  const messages = context.pick({ tiny: 200, quick: 100_000, full: 1_000_000 });
  const depths = [0, 1_000, 10_000, 100_000]
    .filter((depth) => depth < messages - PAGE)
    .concat(messages - PAGE);
  const names = [PRODUCT, EXPRESS].filter((name) => context.wants(name));
  context.expect(1 + names.length * context.rounds);
  context.step(`filling a database with ${messages} messages`);
  const database = await createBenchDatabase(context.serverUrl, context.tree, false);
  const samples: Sample[] = [];
  const caseOf = (depth: number): string => `offset ${depth}`;
  try {
    await fillDeep(database.sql, messages, []);
    const expect = { status: 200, text: '"seq":', times: PAGE };
    const byOffset = depths.map(
      (depth): Call => ({
        name: caseOf(depth),
        connections: 1,
        requests: [get(`/messages/${LONG}?limit=${PAGE}&offset=${depth}`, READER)],
        expect,
      }),
    );
    const byKey: Call = {
      name: 'before_seq in the middle',
      connections: 1,
      requests: [get(`/messages/${LONG}?limit=${PAGE}&before_seq=${messages >> 1}`, READER)],
      expect,
    };
    for (let round = 0; round < context.rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        context.step(`round ${round + 1}/${context.rounds}: ${name}`);
        const calls = name === PRODUCT ? [...byOffset, byKey] : byOffset;
        const measured = await measureCalls(context, name, database.url, calls);
        samples.push(
          ...measured.map((sample, i) => ({
            ...sample,
            round,
            metrics: { ...sample.metrics, depth: depths[i] ?? messages >> 1 },
          })),
        );
      }
    }
  } finally {
    await database.drop();
  }
  const deepest = depths.at(-1) ?? 0;
  return {
    name: 'history-depth',
    title: 'A history page at depth',
    settings: { messages, page: PAGE },
    samples,
    findings: findRatios(samples, [
      {
        label: `median time of a page at depth ${deepest} / at the head`,
        metric: 'ack_p50_ms',
        case: caseOf(deepest),
        over: PRODUCT,
        under: PRODUCT,
        underCase: caseOf(0),
        target: { atMost: 1.2 },
      },
      {
        label: `the same with Express, pg and OFFSET`,
        metric: 'ack_p50_ms',
        case: caseOf(deepest),
        over: EXPRESS,
        under: EXPRESS,
        underCase: caseOf(0),
      },
    ]),
    failures: failuresOf(samples, [PRODUCT]),
  };
}
