/** What a bench is given: where things run, how big, how often, and somebody to tell. */
import type { Ejabberd } from './ejabberd.ts';
import type { Sample } from './result.ts';
import type { Tree } from './tree.ts';

export type Size = 'tiny' | 'quick' | 'full';

export interface BenchContext {
  tree: Tree;
  /** PostgreSQL, as a role that may create databases. */
  serverUrl: string;
  /** Where Redis is; null: benches over several nodes are left out. */
  redisUrl: string | null;
  /** ejabberd on this machine; null: it is left out. */
  ejabberd: Ejabberd | null;
  size: Size;
  rounds: number;
  /** Picks by size. */
  pick<T>(choices: Record<Size, T>): T;
  /** Whether a subject was asked for. */
  wants(subject: string): boolean;
  /** Whether a run was asked for, by its name in the progress. */
  wantsRun(name: string): boolean;
  /** Where CPU profiles of the servers go; null: none are taken. */
  profileDir: string | null;
  step(text: string): void;
  /** Steps there will be, for the bar. */
  expect(steps: number): void;
}

export type Measure = (round: number) => Promise<Omit<Sample, 'round'> | null>;

/**
 * Runs every subject once a round, in turn, the order reversed every other round: what changes on
 * the machine meanwhile meets all of them.
 */
export async function alternate(
  context: BenchContext,
  measures: readonly { name: string; measure: Measure }[],
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const wanted = measures.filter(({ name }) => context.wantsRun(name));
  context.expect(context.rounds * wanted.length);
  for (let round = 0; round < context.rounds; round += 1) {
    const order = round % 2 === 0 ? wanted : wanted.toReversed();
    for (const { name, measure } of order) {
      context.step(`round ${round + 1}/${context.rounds}: ${name}`);
      const sample = await measure(round);
      if (sample !== null) samples.push({ ...sample, round });
    }
  }
  return samples;
}

/** The product's faults fail a run; a baseline's are only told. */
export function failuresOf(samples: readonly Sample[], products: readonly string[]): string[] {
  return samples
    .filter((sample) => products.includes(sample.subject) && sample.faults.length > 0)
    .map((s) => `${s.subject}, ${s.case}, round ${s.round + 1}: ${s.faults.join('; ')}`);
}
