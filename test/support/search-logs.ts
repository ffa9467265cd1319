// vitest globalSetup: makes the folder in which a run keeps the logs of its services (kept-logs.ts), and
// looks through all of them when the run is over. A secret in one of them, or a log that was not kept,
// fails the run.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { MIN_SECRET_LENGTH, type Note } from './kept-logs.ts';

export interface Search {
  /** A sentence for each thing that is wrong. */
  faults: string[];
  logs: number;
  secrets: number;
}

/** Secrets that are known by their shape, whoever made them. */
const SHAPES: readonly [string, RegExp][] = [
  ['a token', /eyJ[\w-]{8,}\.[\w-]{8,}/],
  ['a password in a URL', /\b[a-z]+:\/\/[^\s/:@"']*:[^\s@/"']+@/],
];
/** Of one log; a secret in each line would be told a thousand times. */
const MAX_FAULTS_OF_A_LOG = 3;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'messaging-test-logs-'));
  project.provide('logDirectory', directory);
  return async () => {
    const { faults, logs, secrets } = await searchLogs(directory);
    if (faults.length > 0) {
      // vitest tells of an error here, and exits as if there were none.
      process.exitCode = 1;
      throw new Error(`The logs are kept in ${directory}.\n${faults.join('\n')}`);
    }
    process.stderr.write(`[logs] ${logs} logs hold none of ${secrets} secrets\n`);
    await rm(directory, { recursive: true });
  };
}

/** Looks for what was noted down in all that was kept. */
export async function searchLogs(directory: string): Promise<Search> {
  const faults: string[] = [];
  const names = await readdir(directory);
  const logs = new Map<string, string>();
  const secrets = new Set<string>();
  for (const name of names.filter((one) => one.endsWith('.log'))) {
    logs.set(name, await readFile(join(directory, name), 'utf8'));
  }
  for (const name of names.filter((one) => one.endsWith('.notes'))) {
    const lines = (await readFile(join(directory, name), 'utf8')).split('\n');
    for (const line of lines.filter((one) => one !== '')) {
      const note: Note = JSON.parse(line);
      if ('secret' in note) secrets.add(note.secret);
      else if (!logs.get(note.log)?.includes(note.holds)) {
        faults.push(`${note.log} was not kept: it does not hold ${JSON.stringify(note.holds)}.`);
      }
    }
  }
  for (const [name, text] of logs) faults.push(...faultsIn(name, text, secrets));
  return { faults, logs: logs.size, secrets: secrets.size };
}

function faultsIn(name: string, text: string, secrets: ReadonlySet<string>): string[] {
  const found = SHAPES.flatMap(([what, shape]) => {
    const match = shape.exec(text);
    return match === null ? [] : [`${what}: ${lineAround(text, match.index)}`];
  });
  // Thousands of secrets in millions of characters: looked up by how they begin.
  const byHead = new Map<string, string[]>();
  for (const secret of secrets) {
    const head = secret.slice(0, MIN_SECRET_LENGTH);
    byHead.set(head, [...(byHead.get(head) ?? []), secret]);
  }
  for (let at = 0; at <= text.length - MIN_SECRET_LENGTH; at += 1) {
    const candidates = byHead.get(text.slice(at, at + MIN_SECRET_LENGTH)) ?? [];
    const secret = candidates.find((one) => text.startsWith(one, at));
    if (secret === undefined) continue;
    found.push(`${JSON.stringify(secret)}: ${lineAround(text, at)}`);
    if (found.length >= MAX_FAULTS_OF_A_LOG) break;
  }
  return found.map((fault) => `${name} holds ${fault}`);
}

function lineAround(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  return text.slice(text.lastIndexOf('\n', at) + 1, end < 0 ? undefined : end);
}
