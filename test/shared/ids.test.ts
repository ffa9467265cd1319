import { describe, expect, it } from 'vitest';
import { foldId, newId, toCanonicalId } from '../../src/shared/ids.ts';
import { isStorable } from '../../src/shared/storable-text.ts';

const ID = '3f2b6a1c-9d1e-4c57-8a53-0c4e6f0b9a11';

describe('an id', () => {
  it('has one spelling, whatever came in', () => {
    expect(toCanonicalId(ID)).toBe(ID);
    expect(toCanonicalId(ID.toUpperCase())).toBe(ID);
    expect(foldId(ID.toUpperCase())).toBe(ID);
  });

  it.each([
    '',
    'x',
    ID.slice(1),
    `${ID}0`,
    `${ID}\n`,
    ` ${ID.slice(1)}`,
    ID.replaceAll('-', ''),
    ID.replace('3', 'g'),
    null,
    undefined,
    7,
    [ID],
    { toString: () => ID },
  ])('is not made of %j', (value) => {
    expect(toCanonicalId(value)).toBeNull();
  });

  it('is made new in its canonical spelling, later ones after earlier ones', () => {
    const [first, second] = [newId(1_700_000_000_000), newId(1_700_000_000_001)];
    expect(toCanonicalId(first)).toBe(first);
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(first < second).toBe(true);
  });
});

describe('text that can be stored', () => {
  it.each(['', 'a', 'tab\tand\nline', 'Ünïcödé 👋', '\u0001'])('%j', (text) => {
    expect(isStorable(text)).toBe(true);
  });
  it.each(['\0', 'a\0b', '\ud83d', 'half \udc00', '👋\ud83d'])('is not %j', (text) => {
    expect(isStorable(text)).toBe(false);
  });
});
