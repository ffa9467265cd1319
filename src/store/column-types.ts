/**
 * How PostgreSQL values look in JavaScript on our connections. Array types are named here, so that
 * postgres.js need not ask the server for them on every connect (a query whose failure nobody
 * could catch).
 *
 * - int8 is a number: seqs, counts and versions stay within 2^53 by construction.
 * - TIMESTAMP is UTC and becomes `2025-01-10T12:00:00.000Z`, by text alone: the process's own time
 *   zone plays no part.
 * - Arrays go in and out as JavaScript arrays: write `= ANY(${ids}::uuid[])`.
 */

const INT8 = 20;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;
const arrayOids = {
  bool: 1000,
  int4: 1007,
  text: 1009,
  tid: 1010,
  varchar: 1015,
  int8: 1016,
  timestamp: 1115,
  uuid: 2951,
};

const TIMESTAMP_TEXT = /^(\d{4,6}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?$/;

/**
 * `2025-01-10 12:00:00.123456` (a UTC time as PostgreSQL writes it, in JSON with a `T`) as ISO 8601
 * with milliseconds.
 * What has no such form (`infinity`, years before Christ) is passed on as it is.
 */
export function toIsoTimestamp(text: string): string {
  const parts = TIMESTAMP_TEXT.exec(text);
  if (parts === null) return text;
  return `${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(3, '0').slice(0, 3)}Z`;
}

function fromTime(value: string | Date): string {
  return value instanceof Date ? value.toISOString() : value;
}

const NEEDS_QUOTES = /^$|[\s"\\{},]|^null$/i;
const SPECIAL = /["\\]/g;

/**
 * A one-dimensional array in PostgreSQL's text form, PostgreSQL manual section 8.15.2. When the driver
 * prepares a statement anew it hands its own text back.
 */
function toArrayText(values: readonly unknown[] | string): string {
  if (typeof values === 'string') return values;
  let text = '{';
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) text += ',';
    const value = values[index];
    if (value === null || value === undefined) text += 'NULL';
    else {
      const element = value instanceof Date ? value.toISOString() : String(value);
      text += NEEDS_QUOTES.test(element) ? `"${element.replace(SPECIAL, '\\$&')}"` : element;
    }
  }
  return `${text}}`;
}

const ELEMENT = /"((?:[^"\\]|\\.)*)"|([^,{}]+)/gs;

function fromArrayText<T>(parse: (element: string) => T): (text: string) => (T | null)[] {
  return (text) => {
    const values: (T | null)[] = [];
    for (const [, quoted, plain] of text.matchAll(ELEMENT)) {
      if (quoted !== undefined) values.push(parse(quoted.replace(/\\(.)/gs, '$1')));
      else if (plain !== undefined) values.push(plain === 'NULL' ? null : parse(plain));
    }
    return values;
  };
}

/** The text of an array whose elements never need quotes. None of them may be null. */
function toPlainArrayText(values: readonly (string | number)[] | string): string {
  if (typeof values === 'string') return values;
  return `{${values.join(',')}}`;
}

/** The way back, of one dimension; nulls are kept. */
function fromPlainArrayText<T>(parse: (element: string) => T): (text: string) => (T | null)[] {
  return (text) => {
    if (text === '{}') return [];
    const elements = text.slice(1, -1).split(',');
    return elements.map((element) => (element === 'NULL' ? null : parse(element)));
  };
}

/** What `arrayOf` makes, for types whose text never needs quotes. */
function plainArrayOf<T>(oid: number, parse: (element: string) => T) {
  return { to: oid, from: [oid], serialize: toPlainArrayText, parse: fromPlainArrayText(parse) };
}

function arrayOf<T>(oid: number, parse: (element: string) => T) {
  return { to: oid, from: [oid], serialize: toArrayText, parse: fromArrayText(parse) };
}

const same = (element: string): string => element;

/** Our types, as the `types` option of postgres.js takes them. */
export const columnTypes = {
  int8: { to: INT8, from: [INT8], serialize: String, parse: Number },
  timestamp: { to: TIMESTAMP, from: [TIMESTAMP], serialize: fromTime, parse: toIsoTimestamp },
  timestamptz: {
    to: TIMESTAMPTZ,
    from: [TIMESTAMPTZ],
    serialize: fromTime,
    parse: toIsoTimestamp,
  },
  boolArray: arrayOf(arrayOids.bool, (element) => element === 't'),
  int4Array: arrayOf(arrayOids.int4, Number),
  int8Array: plainArrayOf(arrayOids.int8, Number),
  textArray: arrayOf(arrayOids.text, same),
  tidArray: arrayOf(arrayOids.tid, same),
  varcharArray: arrayOf(arrayOids.varchar, same),
  timestampArray: arrayOf(arrayOids.timestamp, toIsoTimestamp),
  uuidArray: plainArrayOf(arrayOids.uuid, same),
};
