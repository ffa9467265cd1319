/** The table of docs/operations.md says of every reason what the catalogue says, and of no other. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { closeLabel, closeReasons } from '../../src/realtime/close-reasons.ts';

it('docs/operations.md says why connections end as the catalogue does', () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const section = page.split('### Why connections end')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const expected = Object.entries(closeReasons).map(
    ([reason, { fault, comesBack, means }]) =>
      `| \`${closeLabel(reason)}\` | ${fault} | ${comesBack ? 'yes' : 'no'} | ${means} |`,
  );
  expect(rows).toEqual(expected);
});

it('what is in no catalogue is labelled other', () => {
  expect(closeLabel('slow reader')).toBe('slow_reader');
  expect(closeLabel('toString')).toBe('other');
});
