/**
 * JSON text of packet arguments, and in the same walk whether they are free of binary data.
 *
 * Guarantees: what comes out is exactly what `JSON.stringify` gives; what this cannot promise so
 * for (binary data, dates, anything with a prototype or `toJSON`, bigints, deep nesting) gives
 * `undefined`, and the caller goes the general way.
 *
 * Why not `JSON.stringify`: it cannot tell that binary data went through it, so that a second walk
 * would be needed; and for objects of short strings it spends most of its time on key names, which
 * repeat from packet to packet and are quoted once here.
 */

/** The spellings of a key, by what stands before it and whether an unescaped text follows. */
type KeySpelling = {
  key: string;
  /** The key that came after this one the last time: objects of one kind repeat their order. */
  follower: KeySpelling | undefined;
  /** `{"key":` */
  first: string;
  /** `{"key":"` */
  firstText: string;
  /** `,"key":` */
  next: string;
  /** `,"key":"` */
  nextText: string;
  /** `","key":`, which also closes the text before it */
  afterText: string;
  /** `","key":"` */
  afterTextText: string;
};

/** The keys kept quoted: enough for every event of an application, and a bound on memory. */
const MAX_CACHED_KEYS = 512;
const MAX_CACHED_KEY_LENGTH = 64;
const keySpellings = new Map<string, KeySpelling>();

/** Deeper values go the general way, which has the bound. */
const MAX_FAST_DEPTH = 16;

/** What `JSON.stringify` escapes, and a little more: surrogates that do form a pair. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

/** `Object.hasOwn` would be a call for each key; the engine sees through this form in `for…in`. */
const hasOwn = Object.prototype.hasOwnProperty;

/**
 * @param head put before the JSON text, so that the two need not be joined again
 * @returns `head` and the JSON array, or `undefined` when the general way has to be taken
 */
export function stringifyArgs(head: string, args: readonly unknown[]): string | undefined {
  return appendArray(head, args, 0);
}

/*
 * Strings are joined left to right on one accumulator, with as few pieces as possible, since each
 * piece is paid again when the text is written out. Hence the closing quote of a text is written
 * together with what follows it. In both loops: */
const AT_START = 0;
const AFTER_VALUE = 1;
const IN_TEXT = 2;

function appendArray(head: string, items: readonly unknown[], depth: number): string | undefined {
  if ('toJSON' in items) return undefined;
  let out = head;
  let state = AT_START;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item === 'string' && !ESCAPED.test(item)) {
      out += state === AT_START ? '["' : state === IN_TEXT ? '","' : ',"';
      out += item;
      state = IN_TEXT;
      continue;
    }
    out += state === AT_START ? '[' : state === IN_TEXT ? '",' : ',';
    const next = appendValue(out, item === undefined ? null : item, depth);
    if (next === undefined) return undefined;
    out = next;
    state = AFTER_VALUE;
  }
  return out + (state === AT_START ? '[]' : state === IN_TEXT ? '"]' : ']');
}

function appendObject(
  head: string,
  record: Readonly<Record<string, unknown>>,
  depth: number,
): string | undefined {
  let out = head;
  let state = AT_START;
  let previous: KeySpelling | undefined;
  for (const key in record) {
    if (!hasOwn.call(record, key)) continue;
    const item = record[key];
    if (item === undefined) continue;
    let spelling = previous?.follower;
    if (spelling === undefined || spelling.key !== key) {
      spelling = keySpellings.get(key) ?? spellKey(key);
      if (previous !== undefined) previous.follower = spelling;
    }
    previous = spelling;
    if (typeof item === 'string' && !ESCAPED.test(item)) {
      out +=
        state === AT_START
          ? spelling.firstText
          : state === IN_TEXT
            ? spelling.afterTextText
            : spelling.nextText;
      out += item;
      state = IN_TEXT;
      continue;
    }
    out +=
      state === AT_START ? spelling.first : state === IN_TEXT ? spelling.afterText : spelling.next;
    const next = appendValue(out, item, depth);
    if (next === undefined) return undefined;
    out = next;
    state = AFTER_VALUE;
  }
  return out + (state === AT_START ? '{}' : state === IN_TEXT ? '"}' : '}');
}

function appendValue(head: string, value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
      return head + JSON.stringify(value);
    case 'number':
      return head + (Number.isFinite(value) ? String(value) : 'null');
    case 'boolean':
      return head + (value ? 'true' : 'false');
    case 'object':
      if (value === null) return `${head}null`;
      if (depth >= MAX_FAST_DEPTH) return undefined;
      if (isArray(value)) return appendArray(head, value, depth + 1);
      return isPlainObject(value) ? appendObject(head, value, depth + 1) : undefined;
    default:
      return undefined; // Functions and symbols are left out or null; a bigint is an error.
  }
}

function isArray(value: object): value is readonly unknown[] {
  return Array.isArray(value);
}

function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}

function spellKey(key: string): KeySpelling {
  const name = `${JSON.stringify(key)}:`;
  const spelling: KeySpelling = {
    key,
    follower: undefined,
    first: `{${name}`,
    firstText: `{${name}"`,
    next: `,${name}`,
    nextText: `,${name}"`,
    afterText: `",${name}`,
    afterTextText: `",${name}"`,
  };
  if (keySpellings.size < MAX_CACHED_KEYS && key.length <= MAX_CACHED_KEY_LENGTH) {
    keySpellings.set(key, spelling);
  }
  return spelling;
}
