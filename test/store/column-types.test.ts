import { describe, expect, it } from 'vitest';
import { toIsoTimestamp } from '../../src/store/column-types.ts';

describe('a time as PostgreSQL writes it', () => {
  it.each([
    ['2025-01-10 12:00:00', '2025-01-10T12:00:00.000Z'],
    ['2025-01-10 12:00:00.5', '2025-01-10T12:00:00.500Z'],
    ['2025-01-10 12:00:00.123456', '2025-01-10T12:00:00.123Z'],
    ['2025-01-10 12:00:00.999999+00', '2025-01-10T12:00:00.999Z'],
    ['2025-01-10T12:00:00', '2025-01-10T12:00:00.000Z'],
    ['2025-01-10T12:00:00.123456', '2025-01-10T12:00:00.123Z'],
    ['2025-01-10T12:00:00.123456+00:00', '2025-01-10T12:00:00.123Z'],
    ['12025-01-10 12:00:00', '12025-01-10T12:00:00.000Z'],
  ])('%s is %s', (text, iso) => {
    expect(toIsoTimestamp(text)).toBe(iso);
  });

  it.each(['infinity', '-infinity', '0044-03-15 12:00:00 BC', '2025-01-10 12:00:00+02'])(
    '%s has no such form and stays as it is',
    (text) => {
      expect(toIsoTimestamp(text)).toBe(text);
    },
  );
});
