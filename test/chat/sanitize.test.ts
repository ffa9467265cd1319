import fc from 'fast-check';
import { type DefaultTreeAdapterTypes, html, parse } from 'parse5';
import { describe, expect, it } from 'vitest';
import { stripMarkup } from '../../src/chat/sanitize.ts';

/** The parser's own table of names: the oracle must not share the lists of the code under test. */
const oracleNames = new Set(
  [
    ...Object.values(html.TAG_NAMES),
    ...['audio', 'canvas', 'blink', 'isindex', 'multicol', 'picture', 'slot', 'time', 'video'],
    ...['animate', 'animateTransform', 'circle', 'defs', 'feImage', 'g', 'linearGradient', 'path'],
    ...['rect', 'set', 'text', 'use', 'maction', 'mfrac', 'mrow', 'mstyle', 'semantics'],
  ].map((name) => name.toLowerCase()),
);

/** Pages a message may be set into; what they bring themselves is in `oracleNames` but counted. */
const pages: readonly (readonly [before: string, after: string])[] = [
  ['<body><div>', '</div>'],
  ['<body><div>', '" \' x=1> --></div><p class="next">'],
  ['<body><table><tr><td>', '</td></tr></table>'],
  ['<body><ul><li>', '</li><li onclick="own()">next</li></ul>'],
  ['<body><svg><desc>', '</desc></svg>'],
  ['<body><svg>', '</svg>'],
  ['<body><math><mtext>', '</mtext></math>'],
  ['<body><div title="', '"></div>'],
  ['<body><!--', '--><p>'],
  ['<body><textarea>', '</textarea>'],
];

type ParentNode = DefaultTreeAdapterTypes.ParentNode;

function elementsOf(page: string): DefaultTreeAdapterTypes.Element[] {
  const found: DefaultTreeAdapterTypes.Element[] = [];
  const walk = (node: ParentNode) => {
    for (const child of node.childNodes) {
      if (!('tagName' in child)) continue;
      found.push(child);
      walk('content' in child ? child.content : child);
    }
  };
  walk(parse(page));
  return found;
}

const isAlive = ({ tagName, attrs }: DefaultTreeAdapterTypes.Element) =>
  oracleNames.has(tagName.toLowerCase()) ||
  attrs.some(({ name, value }) => /^(?:on[a-z]+|style)$/.test(name) && value !== '');

/** Known elements, and unknown ones with a handler or style, that the text itself brings to a page. */
function aliveIn(text: string): string[] {
  const alive = elementsOf(`<body><div>${text}</div>`)
    .slice(4) // html, head, body, div
    .filter(isAlive)
    .map(({ tagName }) => tagName);
  for (const [before, after] of pages) {
    // A page may lose elements to an unfinished tag of the text, but must not gain any.
    const count = (page: string) => elementsOf(page).filter(isAlive).length;
    if (count(before + text + after) > count(before + after)) alive.push(`in ${before}`);
  }
  return alive;
}

function isSubsequence(part: string, whole: string): boolean {
  let at = 0;
  for (let i = 0; i < part.length; i++) {
    at = whole.indexOf(part.charAt(i), at) + 1;
    if (at === 0) return false;
  }
  return true;
}

describe('text without markup stays exactly as typed', () => {
  it.each([
    '',
    'Hello, when can we meet?',
    '2 < 3 && x > y',
    'x<y && y>z, 1<2>0',
    '<3 </3 <33 <>',
    '<- --> <-- <= => << >> <<< >>>',
    'List<String>',
    'Map<String, List<Foo>>',
    'class Foo<T = string, K extends keyof T = keyof T> {}',
    'std::vector<int> v; Array<Element>; Promise<Response<Body2>>',
    '</String>',
    '<user@example.com>',
    '<https://x.y> <https://x.y/p?a=1&id2=2#f> <mailto:a@b.c>',
    'host: <unknown>, name: <your name here>',
    'x <!!! y <! z <? w <?> <!important',
    '<xss onclick> <foo id class> <foo id a=1 class>',
    '&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#60;b&#62; &notit;',
    'a\r\nb\r<x>\r\n\tc\u00a0\u2028\ufeff',
    '\u{1F600} < \u{1F601} <\u{1F602}>',
    '\ud800 <x> \udc00 \0 <\0b>',
    '＜script＞alert(1)＜/script＞',
    '<scriptx> <bb> <imgs> <b-c> <svg:x>',
  ])('%j', (text) => {
    expect(stripMarkup(text)).toBe(text);
  });
});

describe('markup goes, its text stays', () => {
  it.each([
    ['a<b>c', 'ac'],
    ['<b>bold</b> and <I>it</I>', 'bold and it'],
    ['<p\n class=x\t>one</p\r\n>two<br/>three', 'onetwothree'],
    ['<a href="x>y" title=\'>\'>link</a>', 'link'],
    ['<a/href=x>y</a/>', 'y'],
    ['<svg/onload=alert(1)>hi</svg>', 'hi'],
    ['<math><mi>x</mi><annotation-xml>y</annotation-xml></math>', 'xy'],
    ['<svg><linearGradient/><FOREIGNOBJECT>z</foreignObject></svg>', 'z'],
    ['<marquee>m</marquee><blink>b</blink><bgsound src=x><keygen><isindex>', 'mb'],
    ['<image src=x><listing>l</listing><plaintext>p', 'lp'],
    ['&lt;<b>&amp;</b>&gt;', '&lt;&amp;&gt;'],
    ['List<String> of <b>Map<K, V></b>', 'List<String> of Map<K, V>'],
    ['</b></p></br></script></x>', '</x>'],
    ['<x title="<b>">', '<x title="">'],
    ['\u{1F600}<b>\u{1F601}</b>\r\n<i\r\n>\u{1F602}', '\u{1F600}\u{1F601}\r\n\u{1F602}'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('script and style go with their contents', () => {
  it.each([
    ['a<script>alert(1)</script>b', 'ab'],
    ['a<SCRIPT src=x>if (a<b) {}</sCrIpT\t>b', 'ab'],
    ['a<script>"</script x="y>">b', 'ab'],
    ['a<script><!--<script>x</script>y--></script>b', 'ab'],
    ['a<script/>x</script>b', 'ab'],
    ['a<style>p{}<b>x</b></style >b', 'ab'],
    ['a<script>alert(1)', 'a'],
    ['a<script src="//x.y/', 'a'],
    ['a<style>', 'a'],
    ['<svg><style>p{}</style><script>x</script>t</svg>', 't'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('the contents of other elements are text', () => {
  it.each([
    'title',
    'textarea',
    'template',
    'iframe',
    'noscript',
    'noembed',
    'noframes',
    'object',
    'xmp',
    'select',
  ])('%s', (name) => {
    expect(stripMarkup(`a<${name}>text<img src=x onerror=alert(1)></${name}>b`)).toBe('atextb');
  });
});

describe('comments and declarations go as far as a browser takes them', () => {
  it.each([
    ['a<!-- x > y <b> -->b', 'ab'],
    ['a<!-->b<!--->c<!--x--!>d', 'abcd'],
    ['a<!-- never closed <b>', 'a'],
    ['a<!-- never closed', 'a'],
    ['<!DOCTYPE html>a<!doctype html PUBLIC "x>y">b', 'ay">b'],
    ['a<![CDATA[ x ]]>b', 'ab'],
    ['a<![CDATA[<script>alert(1)</script>]]>b', 'aalert(1)]]>b'],
    ['a<?xml version="1.0"?>b<?php echo 1 ?>c', 'abc'],
    ['a<!ENTITY x "y">b', 'ab'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('an unfinished tag at the end', () => {
  it.each([
    ['<img src=x onerror=', ''],
    ['<img src=x onerror=alert(1) ', ''],
    ['a<a href="x>y', 'a'],
    ["a<a href='x>y", 'a'],
    ['a<b', 'a'],
    ['a</b', 'a'],
    ['if a<b then c', 'if a then c'],
    ['a<b and <i too', 'a and  too'],
    ['put it into <script and go', 'put it into  and go'],
    ['List<Str', 'List<Str'],
    ['x <xss onclick=alert(1)//', 'x '],
    ['x <xss onclick="alert(1)//', 'x '],
    ["x <xss onclick='alert(1)//", 'x '],
    ['x <xss onclick=', 'x '],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('a tag of an unknown name that does something goes too', () => {
  it.each([
    ['<xss onmouseover=alert(1)>x</xss>', 'x'],
    ['<xss onmouseover = "alert(1)" >x</XSS >', 'x'],
    ['<x-foo/onclick=alert(1)>x', 'x'],
    ['<x a="1"onfocus=alert(1) tabindex=1>x', 'x'],
    ['<x style="position:fixed">x</x></y>', 'x</y>'],
    ['<https://x.y/onclick=alert(1)>x', 'x'],
    ['<x:script xmlns:x="http://www.w3.org/1999/xhtml">x</x:script>', 'x'],
    ['<String, onclick=alert(1) List<Foo>>', '>'],
    ['<x <y onclick=alert(1)>', ''],
    ['</xss> <xss onclick=a>', '</xss> '],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('what removing would join is removed as well', () => {
  it.each([
    ['<scr<script></script>ipt>', ''],
    ['<scr<script></script>ipt>alert(1)</scr</script>ipt>', ''],
    ['<<b>script>alert(1)<</b>/script>', ''],
    ['<<b>img src=x onerror=alert(1)>', ''],
    ['<i<!-- -->mg src=x onerror=alert(1)>', ''],
    ['<sc<sc<b>ript></script>ript>x', '<sc'],
    ['</3 <x a=" > <foo onclick=alert(1)> "', '</3 <x a=" >  "'],
    [`${'<'.repeat(6)}b>${'b>'.repeat(6)}`, 'b>'],
    [`<${'s<'.repeat(20)}b>${'b>cript>'.repeat(20)}`, null],
  ])('%j', (text, expected) => {
    const stripped = stripMarkup(text);
    if (expected !== null) expect(stripped).toBe(expected);
    expect(aliveIn(stripped)).toEqual([]);
    expect(stripMarkup(stripped)).toBe(stripped);
  });

  it('a text nested deeper than the passes reach loses every "<"', () => {
    const nested = `${'<i'.repeat(30)}<b>${'mg src=x onerror=a>'.repeat(30)}`;
    expect(stripMarkup(nested)).not.toContain('<');
  });
});

const attacks = [
  '<script>alert(1)</script>',
  '<ScRiPt\n>alert(1)</sCrIpT>',
  '<script\x0c>alert(1)</script\x0c>',
  '<script/x>alert(1)</script/y>',
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  '--><img src=x onerror=alert(1)>',
  ']]><img src=x onerror=alert(1)>',
  '</textarea><img src=x onerror=alert(1)>',
  '</title></style></script><svg onload=alert(1)>',
  '<img src=x onerror=alert(1)>',
  '<img src="x`y" onerror=alert(1)//',
  '<img """><script>alert(1)</script>">',
  '<IMG SRC=javascript:alert(1)>',
  '<img/src=x/onerror=alert(1)>',
  '<img\tsrc\n=\rx\x0conerror=alert(1)>',
  '<img src=x onerror="a>b"alert(1)>',
  '<<img src=x onerror=alert(1)>',
  '<\0img src=x onerror=alert(1)><img\0 src=x onerror=alert(1)>',
  '<svg onload=alert(1)>',
  '<svg><script>alert&#40;1)</script>',
  '<svg><script/href=data:,alert(1) />',
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s>',
  '<svg><set attributeName=href to=javascript:alert(1)>',
  '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<svg><foreignObject><iframe srcdoc="<script>alert(1)</script>">',
  '<svg><style><img src=x onerror=alert(1)></style></svg>',
  '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
  '<svg><![CDATA[><img src=x onerror=alert(1)>]]></svg>',
  '<math href="javascript:alert(1)">x</math>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<math><maction actiontype="statusline#http://x" xlink:href="javascript:alert(1)">x',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<template><script>alert(1)</script></template>',
  '<textarea><script>alert(1)</script>',
  '<title><img src=x onerror=alert(1)></title>',
  '<xmp><p title="</xmp><svg/onload=alert(1)>">',
  '<plaintext><script>alert(1)</script>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<iframe srcdoc="&lt;script&gt;alert(1)&lt;/script&gt;">',
  '<object data="javascript:alert(1)"></object>',
  '<embed src="data:text/html,<script>alert(1)</script>">',
  '<link rel=stylesheet href="//x.y/a.css">',
  '<meta http-equiv=refresh content="0;url=javascript:alert(1)">',
  '<base href="javascript:/a/+alert(1)//">',
  '<form action="javascript:alert(1)"><input type=submit>',
  '<button formaction="javascript:alert(1)">x</button>',
  '<isindex action="javascript:alert(1)" type=image>',
  '<input autofocus onfocus=alert(1)>',
  '<select autofocus onfocus=alert(1)>',
  '<details open ontoggle=alert(1)>',
  '<body onload=alert(1)>',
  '<html onmouseover=alert(1)>',
  '<frameset onload=alert(1)>',
  '<video><source onerror=alert(1)></video>',
  '<audio src=x onerror=alert(1)>',
  '<marquee onstart=alert(1)>',
  '<bgsound src="javascript:alert(1)">',
  '<div style="width:expression(alert(1))">',
  '<style>@import "//x.y/a.css";</style>',
  '<table background="javascript:alert(1)">',
  '<a href="java\tscript:alert(1)">x</a>',
  '<a href="javascript&colon;alert(1)">x</a>',
  '<!--<img src="--><img src=x onerror=alert(1)//">',
  '<!--[if IE]><script>alert(1)</script><![endif]-->',
  '<!><img src=x onerror=alert(1)>',
  '<?><img src=x onerror=alert(1)>',
  '<? foo="><script>alert(1)</script>">',
  '<! foo="><script>alert(1)</script>">',
  '</ foo="><script>alert(1)</script>">',
  '<% foo><x foo="%><script>alert(1)</script>">',
  '<?xml-stylesheet href="javascript:alert(1)"?>',
  '<xml id=x><a><b><script>alert(1)</script></b></a></xml>',
  '<x contenteditable onblur=alert(1)>',
  '<x onclick=alert(1) id=x>#x',
  '<x/onclick=alert(1)>',
  '<x a=b/onclick=alert(1)>',
  "<x a='b'onclick=alert(1)>",
  '<x a=<b onclick=alert(1)>',
  '<scr\0ipt>alert(1)</scr\0ipt><script>alert(1)</script>',
  '<b <script>alert(1)</script>0',
  '<x <script>alert(1)</script>0',
];

describe('a corpus of attacks leaves nothing that runs or draws', () => {
  it.each(attacks)('%j', (attack) => {
    const stripped = stripMarkup(attack);
    expect(aliveIn(stripped)).toEqual([]);
    expect(stripMarkup(stripped)).toBe(stripped);
  });

  it('the oracle sees the attacks', () => {
    const blind = attacks.filter((attack) => aliveIn(attack).length === 0);
    // Bodies, frames, heads and comments merge into or vanish from the oracle's page.
    expect(blind.length).toBeLessThan(attacks.length / 10);
  });
});

describe('properties', () => {
  const pieces = fc.constantFrom(
    ...['<', '<', '</', '>', '>', '/', '=', '"', "'", ' ', '\n', '\r\n', '\t', '\0', '&lt;', '3'],
    ...['<!--', '-->', '<!', '<?', '<![CDATA[', ']]>', '<!doctype', '-', '!', '?', '\u{1F600}'],
    ...['script', 'SCRIPT', 'style', 'b', 'img', 'svg', 'math', 'mi', 'title', 'textarea', 'p'],
    ...['template', 'table', 'foo', 'String', 'scr', 'ipt', 'x', '\ud800', '<script>', '</script>'],
    ...[' onclick=1', ' onerror', ' src=x', ' id=a', ' style="', " a='", '<style>', '<x '],
  );
  const tangled = fc.array(pieces, { maxLength: 40 }).map((list) => list.join(''));
  const anything = fc.oneof(
    { weight: 4, arbitrary: tangled },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: fc.string() },
  );

  it('no known element survives, wherever the text is set', () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(aliveIn(stripMarkup(text))).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  it('stripping again changes nothing', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const stripped = stripMarkup(text);
        expect(stripMarkup(stripped)).toBe(stripped);
      }),
      { numRuns: 5000 },
    );
  });

  it('nothing is added, changed or moved', () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(isSubsequence(stripMarkup(text), text)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('text without markup is unchanged', () => {
    const word = fc.oneof(
      fc.string().map((text) => text.replaceAll('<', '')),
      fc.string({ unit: 'binary' }).map((text) => text.replaceAll('<', '')),
      fc.constantFrom('2 < 3', '<3', '</3', 'List<String>', 'Map<String, List<Foo>>', '<a@b.c>'),
      // A name that no list knows; what follows it carries no value.
      fc.stringMatching(/^<\/?(?:zz|Zq)[a-zA-Z0-9.:@-]{0,40}( [a-z<,]{1,9}){0,3}\/?>$/),
    );
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const text = words.join(' ');
        // Only where chance wrote markup of its own into the words is there something to remove.
        fc.pre(
          !/<[^ >]* [^>]*=|<[a-y]/i.test(text.replace(/List<String>|<String|<Foo|<a@b\.c>/g, '')),
        );
        expect(stripMarkup(text)).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });

  it('what surrounds a tag is kept to the letter', () => {
    const plain = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[<>="']/g, ''));
    const tag = fc.constantFrom(
      '<b>',
      '</p>',
      '<a href="x>y">',
      '<img src=x onerror=a>',
      '<!--x-->',
    );
    fc.assert(
      fc.property(plain, tag, plain, tag, plain, (a, first, b, second, c) => {
        expect(stripMarkup(a + first + b + second + c)).toBe(a + b + c);
      }),
    );
  });
});

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
