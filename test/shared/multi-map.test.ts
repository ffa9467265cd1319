import { expect, it } from 'vitest';
import { MultiMap } from '../../src/shared/multi-map.ts';

const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

it('keeps each value of a key once, in the order they came', () => {
  const map = new MultiMap<string, object>();
  expect([map.get('k'), map.count('k')]).toEqual([[], 0]);
  for (const value of [a, a, b, a, c]) map.add('k', value);
  expect(map.get('k')).toEqual([a, b, c]);
  expect(map.count('k')).toBe(3);
  expect([map.has('k', b), map.has('l', b)]).toEqual([true, false]);
});

it('says whether a value was there when it is deleted, with one or many of them', () => {
  const map = new MultiMap<string, object>();
  map.add('k', a);
  expect([map.delete('k', b), map.count('k')]).toEqual([false, 1]);
  expect([map.delete('k', a), map.count('k')]).toEqual([true, 0]);
  for (const value of [a, b]) map.add('k', value);
  expect([map.delete('k', c), map.delete('k', a), map.delete('k', a)]).toEqual([
    false,
    true,
    false,
  ]);
  expect(map.get('k')).toEqual([b]);
  expect([map.delete('k', b), map.count('k')]).toEqual([true, 0]);
  map.add('k', c);
  expect(map.get('k')).toEqual([c]);
});

it('hands out the values as they are now: deleting while walking through them leaves none out', () => {
  const map = new MultiMap<string, object>();
  for (const value of [a, b, c]) map.add('k', value);
  const walked = map.get('k').filter((value) => map.delete('k', value));
  expect(walked).toEqual([a, b, c]);
  for (const value of [a, b]) map.add('k', value);
  map.deleteAll('k');
  expect(map.get('k')).toEqual([]);
});
