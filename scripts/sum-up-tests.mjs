// Sums up vitest's JSON reports: `node scripts/sum-up-tests.mjs DIRECTORY` prints each test that failed,
// with the first line of why, and as its last line `N passed, N failed`. The names of failed tests are
// printed here because only the end of a long log is kept.
//
// A test file that could not even be loaded has no failed test in it, and counts as one failure; so does an
// empty report, which a run leaves that ended before it could write one.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Where the production platform has the clone (production-platform.sh). */
const CLONE_INSIDE = '/clone';

const [directory = '.'] = process.argv.slice(2);
let passed = 0;
let failed = 0;

/**
 * @param {string} name
 * @param {string} [why]
 */
function fail(name, why = '') {
  failed += 1;
  console.log(`*** FAILED ${name}\n    ${why.trim().split('\n')[0]}`);
}

for (const run of readdirSync(directory)) {
  const text = readFileSync(join(directory, run), 'utf8');
  if (text === '') fail(run, 'the run ended without a report');
  for (const file of text === '' ? [] : JSON.parse(text).testResults) {
    const root = file.name.startsWith(`${CLONE_INSIDE}/`) ? CLONE_INSIDE : process.cwd();
    const name = `${run}: ${relative(root, file.name)}`;
    let broken = 0;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed += 1;
      if (test.status !== 'failed') continue;
      broken += 1;
      fail(`${name} > ${test.fullName}`, test.failureMessages[0]);
    }
    if (broken === 0 && file.status === 'failed') fail(name, file.message);
  }
}
console.log(`${passed} passed, ${failed} failed`);
