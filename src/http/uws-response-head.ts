/**
 * Status and header fields of a response, with the face of Node's `OutgoingMessage`; sending is
 * for `UwsResponse`. A field is checked when it is set, so that what is written later is safe.
 */
import { EventEmitter } from 'node:events';
import type { OutgoingHttpHeader } from 'node:http';
import { addField, checkField, emptyBlock, type FieldBlock, type Fields } from './uws-fields.ts';

/** Misuse of a response, with the code Node has for it. */
export class ResponseError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The head of one response; nothing is sent from here. */
export class UwsResponseHead extends EventEmitter {
  statusCode = 200;
  statusMessage = '';
  sendDate = true;
  /** Status and fields are settled; they leave with the first bytes of the body or the end. */
  headersSent = false;
  /** The fields as they will be written; set with `headersSent`. */
  protected block: FieldBlock | undefined;
  #fields: Map<string, [name: string, value: OutgoingHttpHeader]> | undefined;

  setHeader(name: string, value: OutgoingHttpHeader): this {
    this.#mustBeOpen('set');
    checkField(name, value);
    this.#fields ??= new Map();
    this.#fields.set(name.toLowerCase(), [name, value]);
    return this;
  }

  setHeaders(fields: Iterable<[string, OutgoingHttpHeader]>): this {
    for (const [name, value] of fields) this.setHeader(name, value);
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const before = this.getHeader(name);
    const list = before === undefined ? [] : Array.isArray(before) ? before : [String(before)];
    return this.setHeader(name, list.concat(value));
  }

  getHeader(name: string): OutgoingHttpHeader | undefined {
    return this.#fields?.get(name.toLowerCase())?.[1];
  }

  getHeaders(): Record<string, OutgoingHttpHeader> {
    const all: Record<string, OutgoingHttpHeader> = Object.create(null);
    for (const [name, [, value]] of this.#fields ?? []) all[name] = value;
    return all;
  }

  getHeaderNames(): string[] {
    return [...(this.#fields?.keys() ?? [])];
  }

  hasHeader(name: string): boolean {
    return this.#fields?.has(name.toLowerCase()) ?? false;
  }

  removeHeader(name: string): void {
    this.#mustBeOpen('remove');
    this.#fields?.delete(name.toLowerCase());
  }

  /** Settles status and fields; `fields` win over those set before. Throws what Node throws. */
  writeHead(statusCode: number, reason?: string | Fields, fields?: Fields): this {
    this.#mustBeOpen('write');
    if (!Number.isInteger(statusCode) || statusCode < 100 || statusCode > 999) {
      throw new ResponseError('ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${statusCode}`);
    }
    const message = typeof reason === 'string' ? reason : this.statusMessage;
    if (message !== '') checkField('status-message', message);
    this.block = this.#layOut(typeof reason === 'string' ? fields : reason);
    this.statusCode = statusCode;
    this.statusMessage = message;
    this.headersSent = true;
    return this;
  }

  #layOut(own: Fields | undefined): FieldBlock {
    const block = emptyBlock();
    // The usual case: Fastify kept the fields itself and hands them over in one object.
    const direct = this.#fields === undefined;
    for (const name in own) {
      const value = own[name];
      if (value === undefined) continue;
      if (direct) {
        checkField(name, value);
        addField(block, name, value);
      } else {
        this.setHeader(name, value);
      }
    }
    for (const [name, value] of this.#fields?.values() ?? []) addField(block, name, value);
    return block;
  }

  #mustBeOpen(verb: string): void {
    if (!this.headersSent) return;
    throw new ResponseError(
      'ERR_HTTP_HEADERS_SENT',
      `Cannot ${verb} headers after they are sent to the client`,
    );
  }

  /** uWebSockets.js cannot send a head alone, so this settles it and no more. */
  flushHeaders(): void {
    if (!this.headersSent) this.writeHead(this.statusCode);
  }

  // uWebSockets.js answers `Expect: 100-continue` itself, and sends no other interim responses and
  // no trailers; both may be left out (RFC 9110, 15.2 and 6.5). Writes are corked by the bridge.
  writeContinue(): void {
    return;
  }

  writeProcessing(): void {
    return;
  }

  writeEarlyHints(_hints: unknown, callback?: () => void): void {
    if (callback !== undefined) process.nextTick(callback);
  }

  addTrailers(): void {
    return;
  }

  cork(): void {
    return;
  }

  uncork(): void {
    return;
  }

  setTimeout(): this {
    return this;
  }
}
