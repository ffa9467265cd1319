/** The command line of the benches: what it cannot mean is refused before anything is measured. */
import { describe, expect, it } from 'vitest';
import { readOptions } from '../../bench/options.ts';

const read = (...args: string[]) => readOptions(['node', 'run.ts', ...args]);

describe('the options of the benches', () => {
  it('are whole rounds of all benches when nothing is said', () => {
    expect(read()).toEqual({
      names: [],
      size: 'full',
      rounds: null,
      only: null,
      runs: null,
      compareWith: null,
      at: null,
      profileDir: null,
      writeResults: true,
    });
  });

  it('are read before, behind and between names, and behind a second --', () => {
    const wanted = { names: ['durable', 'storm'], size: 'quick', rounds: 3 };
    expect(read('--quick', 'durable', '--rounds', '3', 'storm')).toMatchObject(wanted);
    expect(read('durable', 'storm', '--', '--quick', '--rounds', '3')).toMatchObject(wanted);
    expect(read('--only', 'product,uws-publish', '--at', 'HEAD')).toMatchObject({
      only: ['product', 'uws-publish'],
      at: 'HEAD',
    });
    expect(read('abuse', '--runs', 'alone,marks')).toMatchObject({ runs: ['alone', 'marks'] });
    expect(read('--tiny')).toMatchObject({ size: 'tiny', writeResults: false });
  });

  it.each([
    [['durabel'], 'There is no bench durabel'],
    [['--quik'], '--quik'],
    [['--rounds', '0'], '--rounds must be a whole number from 1, and is 0'],
    [['--rounds', 'many'], 'and is many'],
    [['--rounds', '1.5'], 'and is 1.5'],
    [['--rounds=-1'], 'and is -1'],
    [['--rounds'], '--rounds'],
    [['--rounds', '2', '--rounds', '3'], '--rounds'],
    [['--only', 'produkt'], 'there is no subject produkt'],
    [['--only'], '--only'],
    [['--runs'], '--runs'],
    [['--compare'], '--compare'],
    [['--at', 'HEAD', '--compare', 'HEAD'], 'cannot be compared with itself'],
  ])('%j is refused', (args, message) => {
    expect(() => read(...args)).toThrow(message);
  });
});
