/**
 * Response header fields: checked as Node checks them (nothing from the application can break out
 * of a field), and laid out so that uWebSockets.js takes them in one native call.
 */
import { type OutgoingHttpHeader, STATUS_CODES, validateHeaderName } from 'node:http';
import type { HttpResponse } from '../realtime/uws.ts';
import {
  type Ascii,
  ascii,
  isAscii,
  latin1,
  type NativeText,
  utf8,
} from '../shared/native-text.ts';

/** Header fields as an application hands them over. */
export type Fields = Readonly<Record<string, OutgoingHttpHeader | undefined>>;

/** What the fields said, ready to be written. */
export interface FieldBlock {
  /** `name: value` lines joined by CRLF, '' when there are none. */
  text: string;
  /** Fields whose value is not ASCII, as the Latin-1 bytes that Node writes. */
  binary: [name: Ascii, value: NativeText][] | undefined;
  /** The announced length of the body in bytes, -1 when none was. */
  contentLength: number;
  /** The application wants the connection closed after this response. */
  close: boolean;
}

// As Node's: tab, printable ASCII and Latin-1.
const unsafeValue = /[^\t\x20-\x7e\x80-\xff]/;
const plainName = /^[A-Za-z0-9-]+$/;
const closeToken = /(?:^|[\s,])close(?:$|[\s,])/i;

/** A block without fields. */
export function emptyBlock(): FieldBlock {
  return { text: '', binary: undefined, contentLength: -1, close: false };
}

class FieldError extends TypeError {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Throws what Node's `setHeader` throws, with its codes: `ERR_INVALID_HTTP_TOKEN`,
 * `ERR_HTTP_INVALID_HEADER_VALUE`, `ERR_INVALID_CHAR`.
 */
export function checkField(name: string, value: OutgoingHttpHeader | undefined): void {
  if (!plainName.test(name)) validateHeaderName(name);
  if (value === undefined || value === null) {
    throw new FieldError(
      'ERR_HTTP_INVALID_HEADER_VALUE',
      `Invalid value "${String(value)}" for header "${name}"`,
    );
  }
  if (typeof value === 'string' && !unsafeValue.test(value)) return;
  for (const one of Array.isArray(value) ? value : [value]) {
    if (unsafeValue.test(String(one))) {
      throw new FieldError('ERR_INVALID_CHAR', `Invalid character in header content ["${name}"]`);
    }
  }
}

/** Adds one field, already checked, to the block. */
export function addField(block: FieldBlock, name: string, value: OutgoingHttpHeader): void {
  switch (name.length) {
    case 4: // uWebSockets.js writes the date itself.
      if (name.toLowerCase() === 'date') return;
      break;
    case 10: // The connection is the bridge's business; only the wish to close it counts.
      switch (name.toLowerCase()) {
        case 'connection':
          if (closeToken.test(String(value))) block.close = true;
          return;
        case 'keep-alive':
          return;
      }
      break;
    case 14: // Written with the body, by whoever knows its length.
      if (name.toLowerCase() !== 'content-length') break;
      block.contentLength = /^\d+$/.test(String(value)) ? Number(value) : -1;
      return;
    case 17: // So is the framing.
      if (name.toLowerCase() === 'transfer-encoding') return;
      break;
  }
  if (Array.isArray(value)) for (const one of value) addLine(block, name, one);
  else addLine(block, name, String(value));
}

function addLine(block: FieldBlock, name: string, value: string): void {
  if (isAscii(value)) {
    block.text += `\r\n${name}: ${value}`;
  } else {
    block.binary ??= [];
    block.binary.push([ascii(name), latin1(value)]);
  }
}

const CONNECTION = ascii('Connection');
const statusLines = new Map<number, Ascii>();
for (const [code, text] of Object.entries(STATUS_CODES)) {
  statusLines.set(Number(code), ascii(`${code} ${text}`));
}

/** `200 OK`; with the application's own reason phrase when it set one. */
export function statusLine(code: number, message: string): NativeText {
  if (message !== '') return latin1(`${code} ${message}`);
  return statusLines.get(code) ?? ascii(`${code} unknown`);
}

/**
 * Writes status and fields in as few native calls as possible: a call costs more than the bytes,
 * and the library writes `name: value` as it is given, so the first field carries the others.
 *
 * @param connection value of the Connection field, undefined when uWebSockets.js will write it.
 */
export function writeBlock(
  res: HttpResponse,
  status: NativeText,
  connection: string | undefined,
  block: FieldBlock,
): void {
  res.writeStatus(status);
  if (connection !== undefined) {
    res.writeHeader(CONNECTION, utf8(connection + block.text));
  } else if (block.text !== '') {
    const colon = block.text.indexOf(': ');
    res.writeHeader(ascii(block.text.slice(2, colon)), utf8(block.text.slice(colon + 2)));
  }
  if (block.binary === undefined) return;
  for (const [name, value] of block.binary) res.writeHeader(name, value);
}
