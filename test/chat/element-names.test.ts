/** The list of element names is what its command makes of the packages it comes from. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ELEMENT_NAMES_FILE, elementNamesFile } from '../../scripts/element-names.ts';

it('is written by `npx tsx scripts/element-names.ts`, and was after the last update', () => {
  expect(readFileSync(ELEMENT_NAMES_FILE, 'utf8')).toBe(elementNamesFile());
});
