/**
 * codec: the packet codecs beside engine.io-parser and socket.io-parser. The bench is a program of
 * its own (`bench/programs/codec.ts`), which alternates within one process; its ratios are taken over.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { interrupted } from '../harness/child.ts';
import type { BenchContext } from '../harness/context.ts';
import { type BenchResult, findFigures, type Sample } from '../harness/result.ts';

const run = promisify(execFile);
const SUBJECT = 'product';

export async function codec(context: BenchContext): Promise<BenchResult> {
  const samples: Sample[] = [];
  context.expect(context.rounds);
  for (let round = 0; round < context.rounds; round += 1) {
    context.step(`round ${round + 1}/${context.rounds}`);
    const quick = context.size === 'full' ? [] : ['--quick'];
    // Beside the sources that are measured, which may be those of a git ref.
    const script = join(context.tree.directory, 'bench/programs/codec.ts');
    const { stdout } = await run(process.execPath, ['--import', 'tsx', script, ...quick], {
      cwd: context.tree.directory,
      signal: interrupted,
    });
    // Each kind of work has a line: decode  1.85x the stock parsers (…)
    for (const [, name, ratio] of stdout.matchAll(/^(\S.*?) {2}([\d.]+)x the stock/gm)) {
      const metrics = { ratio: Number(ratio) };
      samples.push({ subject: SUBJECT, case: name ?? '', round, metrics, notes: [], faults: [] });
    }
    if (!/^correct: both sides agreed/m.test(stdout)) {
      throw new Error(`the codecs do not agree:\n${stdout}`);
    }
  }
  const cases = [...new Set(samples.map((sample) => sample.case))];
  return {
    name: 'codec',
    title: 'Packets, CPU time of engine.io-parser + socket.io-parser / own',
    settings: { rounds: context.rounds },
    samples,
    findings: findFigures(
      samples,
      cases.map((name) => ({
        label: name,
        metric: 'ratio',
        case: name,
        subject: SUBJECT,
        unit: '×',
      })),
    ),
    failures: [],
  };
}
