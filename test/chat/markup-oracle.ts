/**
 * What a browser would make of a text, by parsing whole pages: shares no list and no code with the
 * module under test.
 */
import { type DefaultTreeAdapterTypes, html, parse } from 'parse5';

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
export function aliveIn(text: string): string[] {
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
