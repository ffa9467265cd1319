import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stripMarkup } from '../../src/chat/sanitize.ts';
import { aliveIn } from './markup-oracle.ts';

function isSubsequence(part: string, whole: string): boolean {
  let at = 0;
  for (let i = 0; i < part.length; i++) {
    at = whole.indexOf(part.charAt(i), at) + 1;
    if (at === 0) return false;
  }
  return true;
}

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
