/**
 * The history checker by hand:
 *
 *   npm run test:history -- [--fault name]… [--seeds N] [--seed S] [--duration s] [--nodes N] [--mutants]
 *       [--mutant name]… [--from directory]
 *
 * `--from` runs the sources of another directory, such as an unpacked `git archive`.
 * Every run is a fresh cluster. Exit code 1 when a promise was broken, a run proved nothing, or a
 * mutant was not caught; missed time bounds are shown and do not fail it (unless --strict).
 */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startReplicatedPostgres } from '../support/replicated-postgres.ts';
import type { Patch } from './build.ts';
import { type Cluster, startCluster, startServers } from './cluster.ts';
import { type EpisodeResult, runEpisode, type Verdict } from './episode.ts';
import type { Fault } from './fault.ts';
import { faultNamed, faults } from './faults.ts';
import { mutantNamed, mutants } from './mutants.ts';
import { createRandom } from './random.ts';
import { findings, table } from './report.ts';
import type { WorkloadSize } from './workload.ts';

const TAIL_MS = 4_000;
const SEND_DEADLINE_MS = 5_000;

const { values: args } = parseArgs({
  options: {
    fault: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string' },
    duration: { type: 'string' },
    nodes: { type: 'string' },
    mutant: { type: 'string', multiple: true },
    mutants: { type: 'boolean', default: false },
    from: { type: 'string' },
    strict: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const firstSeed = Number(args.seed ?? 1 + Math.floor(Math.random() * 1_000_000));
const seeds = Array.from({ length: Number(args.seeds) }, (_, n) => firstSeed + n);

/** How many there are and how much they say differs from seed to seed as well. */
function scaleOf(seed: number): { nodes: number; people: WorkloadSize } {
  const random = createRandom(seed);
  const nodes = random.pick([2, 2, 3]);
  const people = {
    people: random.between(4, 9),
    conversations: random.between(2, 7),
    maxPauseMs: random.pick([40, 160, 300]),
  };
  return { nodes: args.nodes === undefined ? nodes : Number(args.nodes), people };
}

async function main(): Promise<number> {
  const servers = await startServers();
  try {
    const one = async (
      fault: Fault,
      seed: number,
      patches: readonly Patch[],
      holdMs: number | undefined,
    ): Promise<EpisodeResult> => {
      const { nodes, people } = scaleOf(seed);
      const replicated = fault.standby === true ? await startReplicatedPostgres() : null;
      const cluster = await startCluster({
        servers,
        size: nodes,
        patches,
        from: args.from,
        replicated,
      });
      try {
        const sendDeadlineMs = SEND_DEADLINE_MS;
        const result = await runEpisode({
          cluster,
          fault,
          seed,
          size: people,
          holdMs,
          tailMs: TAIL_MS,
          sendDeadlineMs,
          say,
        });
        if (result.verdict === 'FAIL') await keep(result, cluster);
        return result;
      } finally {
        await cluster.stop();
        await replicated?.stop();
      }
    };
    const wantsMutants = args.mutants || args.mutant !== undefined;
    return wantsMutants ? await runMutants(one) : await runFaults(one);
  } finally {
    await servers.stop();
  }
}

/** Leaves what happened in a file, and says where: a seed does not repeat the timing. */
async function keep({ record, fault, seed }: EpisodeResult, { nodes }: Cluster): Promise<void> {
  const path = join(tmpdir(), `history-${fault}-${seed}.json`);
  const outputs = nodes.map(({ process }) => process.output());
  await writeFile(path, JSON.stringify({ ...record, outputs }));
  say(`  the history is in ${path}`);
}

type RunOne = (
  fault: Fault,
  seed: number,
  patches: readonly Patch[],
  holdMs: number | undefined,
) => Promise<EpisodeResult>;

async function runFaults(one: RunOne): Promise<number> {
  const chosen = args.fault?.map(faultNamed) ?? faults;
  const holdMs = args.duration === undefined ? undefined : Number(args.duration) * 1_000;
  const results: EpisodeResult[] = [];
  let broken = 0;
  for (const seed of seeds) {
    for (const fault of chosen) {
      const result = await one(fault, seed, [], holdMs).catch((error: unknown) => {
        say(`${fault.name} seed ${seed} could not be run: ${error}`);
        return null;
      });
      if (result === null) {
        broken += 1;
        continue;
      }
      results.push(result);
      say(`${fault.name} seed ${seed}: ${result.verdict}`);
      for (const line of findings(result)) say(`  ${line}`);
    }
  }
  process.stdout.write(`${table(results)}\n`);
  const count = (verdict: Verdict): number => results.filter((r) => r.verdict === verdict).length;
  const bad = broken + count('FAIL') + count('unknown');
  const late = count('late');
  process.stdout.write(
    `${results.length + broken} runs: ${bad} broken or without proof, ${late} with a time bound missed\n`,
  );
  return bad > 0 || (args.strict && late > 0) ? 1 : 0;
}

async function runMutants(one: RunOne): Promise<number> {
  const chosen = args.mutant?.map(mutantNamed) ?? mutants;
  let escaped = 0;
  for (const seed of seeds) {
    for (const { name, patches, fault, holdMs } of chosen) {
      const result = await one(faultNamed(fault), seed, patches, holdMs);
      const caught = result.verdict === 'FAIL';
      if (!caught) escaped += 1;
      const rules = [...new Set(result.violations.map(({ rule }) => rule))].join('; ');
      const line = `mutant ${name} under ${fault}, seed ${seed}`;
      process.stdout.write(`${line}: ${caught ? `caught (${rules})` : 'NOT CAUGHT'}\n`);
    }
  }
  return escaped > 0 ? 1 : 0;
}

process.exitCode = await main();
