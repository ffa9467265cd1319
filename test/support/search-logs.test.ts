/** The search that fails a run: it finds what is there, and notices what is missing. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Note } from './kept-logs.ts';
import { searchLogs } from './search-logs.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'messaging-test-search-'));
});
afterEach(() => rm(directory, { recursive: true }));

const notes = (...lines: Note[]) =>
  writeFile(join(directory, '7.notes'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
const log = (name: string, text: string) => writeFile(join(directory, name), text);

it('counts what it has looked through, and finds nothing where nothing is', async () => {
  await notes(
    { log: '7-1.log', holds: 'a start' },
    { secret: 'pass-word' },
    { secret: 'pass-port' },
  );
  await log('7-1.log', 'a start\na pass and a word, a pass-wor d\n');
  await log('7-2.log', '');
  expect(await searchLogs(directory)).toEqual({ faults: [], logs: 2, secrets: 2 });
});

it.each([
  ['at its beginning', 'pass-word and more\n'],
  ['at its end', 'an end with pass-port'],
  ['inside a word', '{"args":["xpass-wordx"]}\n'],
  ['that is a token', 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc\n'],
  ['that is a password in a URL', 'cannot reach redis://:hunter2@10.0.0.1:6379\n'],
])('finds a secret %s', async (_where, text) => {
  await notes({ secret: 'pass-word' }, { secret: 'pass-port' });
  await log('7-1.log', 'a start\n');
  await log('7-2.log', text);
  const { faults } = await searchLogs(directory);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain('7-2.log');
  expect(faults[0]).toContain(text.trim());
});

it.each([
  ['is not there', undefined],
  ['is empty', ''],
  ['is of something else', 'another start\n'],
])('notices that a log %s', async (_what, text) => {
  await notes({ log: '7-1.log', holds: 'this start' });
  if (text !== undefined) await log('7-1.log', text);
  expect((await searchLogs(directory)).faults).toEqual([
    '7-1.log was not kept: it does not hold "this start".',
  ]);
});

it.each([
  ['fails a run that has a secret in a log', 'oh, planted-secret', 1],
  ['and no other', 'nothing', 0],
])('%s', async (_what, planted, exitCode) => {
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const args = [vitest, 'run', '--config', 'test/support/planted/vitest.config.ts'];
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, TMPDIR: directory, PLANTED: planted };
  const ended = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr });
    });
  });
  expect(ended.output).toMatch(/1 passed/);
  expect(ended.output).toMatch(exitCode === 0 ? /1 logs hold none of 1/ : /holds "planted-secret"/);
  expect(ended.code).toBe(exitCode);
});
