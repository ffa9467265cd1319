/**
 * Takes markup out of text and leaves everything else as typed, byte for byte.
 *
 * Guarantees, for any string: the result holds no tag of a known element at any place, whatever
 * comes before or behind it in a page; `stripMarkup(stripMarkup(x)) === stripMarkup(x)`; it never
 * throws; the time is linear in the length. parse5's tokenizer says where a tag, a comment or a
 * script ends; this module only decides which of them go.
 *
 * Why every `<` is looked at, also inside attributes and comments: a browser makes an element only
 * from `<` and a letter, so once no such place reads as a known element, no way of parsing the text
 * (after a quote, in a title, in a page that goes on) can find one.
 */
import { type Token, Tokenizer, TokenizerMode } from 'parse5';
import {
  MAX_SANITIZE_PASSES,
  MIN_SANITIZE_WORK,
  PASS_WORK_PER_CHARACTER,
  TOTAL_WORK_PER_CHARACTER,
} from '../bounds/chat.ts';
import {
  isActiveAttribute,
  isKnownElement,
  lastActiveAttribute,
  MAX_ELEMENT_NAME_LENGTH,
} from './markup-names.ts';

/** What a start of the tokenizer, and every attribute it collects, costs in characters read. */
const WORK_PER_PART = 4;

/** Ends any unfinished tag, in whichever quote or attribute the text stops. */
const CLOSER = ` x"'>`;

const tagOpening = new RegExp(
  `<(/?)([a-z][^\\t\\n\\f\\r />]{0,${MAX_ELEMENT_NAME_LENGTH - 1}})`,
  'iy',
);

/** `<!--`, `<!doctype`, `<![CDATA[`, `<?xml`; `</3`, `<!!!` and `<? ` are left to people. */
const declarationOpening = /<(?:!(?:--|[a-z[])|\?[a-z])/iy;

type Mode = (typeof TokenizerMode)[keyof typeof TokenizerMode];

/** Elements whose contents are program text and go with them. */
const programs: ReadonlyMap<string, Mode> = new Map([
  ['script', TokenizerMode.SCRIPT_DATA],
  ['style', TokenizerMode.RAWTEXT],
]);

/**
 * Removes what a browser would run or draw:
 *
 * - tags of known HTML, SVG and MathML elements, finished or not, in any case; their text stays;
 * - `script` and `style` with their contents (unclosed: to the end of the text);
 * - comments (unclosed: to the end), doctypes, CDATA markers and processing instructions, each as
 *   far as a browser takes them;
 * - a tag of any *unknown* name that carries an active attribute with a value (`on…`, `style`,
 *   `class`, `id`, `is`, `slot`, `href`, `src`, `srcset`, `srcdoc`, `action`, `formaction`,
 *   `xmlns`), and the end tags of that name behind it.
 *
 * Everything else stays: `2 < 3`, `<3`, `List<String>`, `Map<String, List<Foo>>`,
 * `<user@example.com>`, `<https://x.y>`. Entities are neither decoded nor made. Text inside `title`,
 * `textarea`, `template`, `iframe`, `noscript`, `object`, `xmp` and the like is text, and what is
 * markup in it goes too. An unfinished known tag without any attribute value (`if a<b then c`)
 * loses only `<b`; with one (`<img src=x onerror=`), all that the tag would take.
 *
 * Text built to exhaust this (tags nested in tags, deeper than eight) loses every `<` instead.
 */
export function stripMarkup(text: string): string {
  let current = text;
  let totalWork = workFor(text, TOTAL_WORK_PER_CHARACTER);
  for (let count = 0; count < MAX_SANITIZE_PASSES; count++) {
    const workLimit = Math.min(totalWork, workFor(current, PASS_WORK_PER_CHARACTER));
    const pass = stripOnce(current, workLimit);
    if (pass === undefined) break;
    if (pass.text === current) return current;
    current = pass.text;
    totalWork -= pass.work;
  }
  // Without `<` there is no markup, and dropping it cannot join any.
  return current.replaceAll('<', '');
}

function workFor(text: string, perCharacter: number): number {
  return Math.max(MIN_SANITIZE_WORK, perCharacter * text.length);
}

/** One pass from left to right: the text without the markup it holds now; undefined if too much work. */
function stripOnce(text: string, workLimit: number): { text: string; work: number } | undefined {
  let at = text.indexOf('<');
  if (at === -1) return { text, work: 0 };

  const reader = createMarkupReader(text);
  let kept = '';
  let keptTo = 0;
  while (at !== -1) {
    const end = reader.endOfMarkup(at);
    if (reader.work() > workLimit) return undefined;
    if (end > at) {
      kept += text.slice(keptTo, at);
      keptTo = end;
    }
    at = text.indexOf('<', Math.max(end, at + 1));
  }
  return { text: keptTo === 0 ? text : kept + text.slice(keptTo), work: reader.work() };
}

/** Answers, for every `<` of a text from left to right, how far the markup there reaches. */
function createMarkupReader(text: string) {
  const closedText = text + CLOSER;
  const nextEnd = createFinder(text, '>');
  const nextValue = createFinder(text, '=');
  const removedUnknownNames = new Set<string>();
  let lastActive: number | undefined;
  let work = 0;

  function read(at: number, program?: Mode): Reading {
    const reading = readMarkup(closedText.slice(at), program);
    work += reading.length + WORK_PER_PART * (1 + reading.attributes.length);
    return reading;
  }

  const endOf = (at: number, reading: Reading) => Math.min(at + reading.length, text.length);

  function endOfKnownTag(at: number, opening: string, program: Mode | undefined): number {
    // Quotes count only behind `=`: with none before the first `>`, that one ends the tag; and
    // with no `>` either, nothing behind the name belongs to a tag.
    const isPlain = nextValue(at) >= nextEnd(at);
    if (isPlain && nextEnd(at) === Infinity) return at + opening.length;
    if (isPlain && program === undefined) return nextEnd(at) + 1;
    return endOf(at, read(at, program));
  }

  function endOfUnknownStartTag(at: number, name: string): number {
    if (nextValue(at) >= nextEnd(at)) return at;
    lastActive ??= lastActiveAttribute(text);
    if (at > lastActive) return at;
    const reading = read(at);
    const isActive = reading.attributes.some(
      (attribute) => attribute.value !== '' && isActiveAttribute(attribute.name),
    );
    if (!isActive) return at;
    removedUnknownNames.add(name);
    return endOf(at, reading);
  }

  function endOfTag(at: number, opening: string, name: string, isEndTag: boolean): number {
    if (isKnownElement(name)) {
      return endOfKnownTag(at, opening, isEndTag ? undefined : programs.get(name));
    }
    if (!isEndTag) return endOfUnknownStartTag(at, name);
    return removedUnknownNames.has(name) ? endOfKnownTag(at, opening, undefined) : at;
  }

  function endOfDeclaration(at: number): number {
    // Only a real comment swallows what comes behind the text; the others are words until a `>`.
    if (nextEnd(at) === Infinity && !text.startsWith('<!--', at)) return at;
    return endOf(at, read(at));
  }

  return {
    /** Characters read so far, with what starting costs. */
    work: () => work,
    /** Where the markup that begins at this `<` ends, or `at` itself if it is text. */
    endOfMarkup(at: number): number {
      tagOpening.lastIndex = at;
      const tag = tagOpening.exec(text);
      if (tag !== null) {
        const [opening, slash, name = ''] = tag;
        return endOfTag(at, opening, name.toLowerCase(), slash === '/');
      }
      declarationOpening.lastIndex = at;
      return declarationOpening.test(text) ? endOfDeclaration(at) : at;
    },
  };
}

/** The first `character` at or behind a place, Infinity if none; places must not go back. */
function createFinder(text: string, character: string): (from: number) => number {
  let found = -1;
  return (from) => {
    if (found < from) {
      found = text.indexOf(character, from);
      if (found === -1) found = Infinity;
    }
    return found;
  };
}

interface Reading {
  /** UTF-16 units from the `<` to behind the markup (and the program's end tag). */
  length: number;
  attributes: readonly Token.Attribute[];
}

/**
 * Reads the one tag, comment or declaration that `source` begins with; with a `program` mode, on
 * through its contents to the end tag, as the tree builder of a browser would switch the tokenizer.
 */
function readMarkup(source: string, program: Mode | undefined): Reading {
  const reading: Reading = { length: source.length, attributes: [] };
  const finish = (token: Token.TagToken | Token.CommentToken | Token.DoctypeToken) => {
    reading.length = token.location?.endOffset ?? source.length;
    tokenizer.pause();
  };
  const ignore = () => undefined;
  const tokenizer = new Tokenizer(
    { sourceCodeLocationInfo: true },
    {
      onStartTag(token) {
        reading.attributes = token.attrs;
        if (program === undefined) finish(token);
        else tokenizer.state = program;
      },
      onEndTag: finish,
      onComment: finish,
      onDoctype: finish,
      onEof: ignore,
      onCharacter: ignore,
      onNullCharacter: ignore,
      onWhitespaceCharacter: ignore,
      onParseError: null,
    },
  );
  tokenizer.write(source, true);
  return reading;
}
