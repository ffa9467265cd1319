import { describe, expect, it } from 'vitest';
import { stripMarkup } from '../../src/chat/sanitize.ts';

describe('100 kB of adversarial text takes linear time', () => {
  const size = 100_000;
  const fill = (piece: string) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
  const names = (count: number) => Array.from({ length: count }, (_, i) => `a${i}`).join(' ');
  const repeated = [
    ...[
      '<',
      '</',
      '<b>',
      '<b ',
      '<b a="',
      '<b a=">',
      '<b a=">"\'',
      '<b a="> <b a=\'',
      '<a<',
      '<b a=',
    ],
    ...['<x ', '<x a="', '<x a=\'<y b="', '<x a=1 ', '<x onclick=', '<x onclick=1>', '</x>'],
    ...['<!', '<!-', '<!--', '<!a', '<?a', '<![CDATA[', '<script>', '<script><!--', '<style', 'on'],
    ...['onclick=', 'xmlns:', 'href ', '<s<s<b>c', '<i\r\n>', '<b a=1>', '&lt;<b &lt=&lt>'],
  ];
  const texts: [string, string][] = [
    ...repeated.map((piece): [string, string] => [piece, fill(piece)]),
    ...repeated.map((piece): [string, string] => [
      `${piece} … onclick=1`,
      `${fill(piece)} onclick=1`,
    ]),
    ...repeated.map((piece): [string, string] => [
      `${piece} … "onclick=1`,
      `${fill(piece)}"onclick=1`,
    ]),
    ['split scripts', `${'<scr'.repeat(9000)}<script></script>${'ipt>'.repeat(9000)}`],
    ['split tags', `${'<s'.repeat(12_000)}<b>${'cript>'.repeat(12_000)}`],
    ['attributes', `<b a=1 ${names(14_000)}>`],
    ['overlapping attributes', `${'<x a=1 '.repeat(20)}${names(14_000)} z="onclick=1"`],
    [
      'nested, then overlapping',
      `${'<'.repeat(6)}<b>${'b>'.repeat(6)}${fill('<y<y a=>')} onclick=`,
    ],
  ];

  // Quadratic time would take minutes here; the margin is for a busy machine, not for the code.
  const limitMs = 400;

  it.each(texts)('%s', (_name, text) => {
    let bestMs = Number.POSITIVE_INFINITY;
    let stripped = '';
    for (let run = 0; run < 3 && bestMs > limitMs / 8; run++) {
      const startMs = performance.now();
      stripped = stripMarkup(text);
      bestMs = Math.min(bestMs, performance.now() - startMs);
    }
    expect(bestMs).toBeLessThan(limitMs);
    expect(stripMarkup(stripped)).toBe(stripped);
  });

  /** Unknown tags that overlap, each read to the end of a text of about `length`. */
  const overlapping = (count: number, length: number) =>
    `${'<x a=1 '.repeat(count)}${'y'.repeat(length)} z="onclick=1">`;

  const keepsTags = (text: string) => stripMarkup(text).includes('<');

  it('a text that takes more work than its length allows loses every "<"', () => {
    expect(keepsTags(overlapping(1, 60_000))).toBe(true);
    expect(keepsTags(overlapping(4, 60_000))).toBe(false);
  });

  it('so does one that stays below in each pass, but not in all together', () => {
    const nested = `${'<'.repeat(5)}<b>${'b>'.repeat(5)}`;
    expect(keepsTags(nested)).toBe(false);
    expect(stripMarkup(`${nested}<x>`)).toBe('<x>');
    expect(keepsTags(nested + overlapping(1, 60_000))).toBe(false);
    expect(keepsTags(`<b>${overlapping(1, 60_000)}`)).toBe(true);
  });

  it('what is left of a long text is judged by its own length', () => {
    const stripped = stripMarkup('<b>'.repeat(30_000) + overlapping(4, 30_000));
    expect(stripMarkup(stripped) === stripped).toBe(true);
  });

  it('many ordinary tags in it are all removed', () => {
    const piece = 'Hi <b class="x">there</b>, <a href="https://x.y">look</a> &amp; List<String>\n';
    const count = Math.ceil(size / piece.length);
    expect(stripMarkup(piece.repeat(count))).toBe(
      'Hi there, look &amp; List<String>\n'.repeat(count),
    );
  });
});
