/** The memory that JSON becomes is foretold, for the worst texts we know. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { jsonExcess, parsedBytes } from '../../src/shared/json-bounds.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const BYTES = 500_000;
/** Of one measurement: the heap moves by itself. */
const NOISE_BYTES = 300_000;

const filled = (unit: string): string => unit.repeat(Math.floor(BYTES / unit.length));
const listed = (count: number, item: (name: string) => string): string =>
  Array.from({ length: count }, (_, i) => item(i.toString(36))).join(',');

const texts: Record<string, string> = {
  'empty objects': `[${filled('{},')}{}]`,
  'empty arrays': `[${filled('[],')}[]]`,
  numbers: `[${filled('1,')}1]`,
  fractions: `[${filled('1.5,')}1]`,
  'objects with a key of their own': `[${listed(40_000, (name) => `{"k${name}":1}`)}]`,
  'an object of many keys': `{${listed(50_000, (name) => `"k${name}":1`)}}`,
  'an object of many positions': `{${listed(50_000, (name) => `"${Number.parseInt(name, 36) * 1023}":1`)}}`,
  'short texts': `[${filled('"ab",')}1]`,
  'one text': JSON.stringify(filled('a')),
  'a wide text': JSON.stringify(filled('€')),
  escapes: `"${filled('\\u0000')}"`,
  'arrays in arrays': `[${filled(`${'['.repeat(100)}${']'.repeat(100)},`)}1]`,
};

describe.each(Object.entries(texts))('%s', (_name, json) => {
  it('take no more than foretold', () => {
    collectGarbage();
    const beforeBytes = process.memoryUsage().heapUsed;
    const value: unknown = JSON.parse(json);
    collectGarbage();
    const tookBytes = process.memoryUsage().heapUsed - beforeBytes;
    expect(value).toBeDefined();
    expect(tookBytes).toBeLessThan(parsedBytes(json) + NOISE_BYTES);
  });

  it('are within their own nodes and depth, and over one less', () => {
    const nodes = (parsedBytes(json) - 2 * json.length) / 64;
    const maxDepth = 101;
    expect(jsonExcess(json, { maxDepth, maxNodes: nodes })).toBeUndefined();
    if (nodes > 0)
      expect(jsonExcess(json, { maxDepth, maxNodes: nodes - 1 })).toBe('too_many_nodes');
  });
});

it('the bound that is exceeded first is told', () => {
  expect(jsonExcess('['.repeat(10), { maxDepth: 4, maxNodes: 2 })).toBe('too_many_nodes');
  expect(jsonExcess('['.repeat(10), { maxDepth: 4, maxNodes: 5 })).toBe('too_deep');
});
