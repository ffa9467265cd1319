/**
 * What two servers on the way of a request could read differently: whom it is for, and where it ends.
 * One of them then sees a request that the other never did ("request smuggling", RFC 9112 section
 * 11.2). Every door looks at its requests with this, because the binary of uWebSockets.js for Node 20
 * takes repeated fields and any Transfer-Encoding.
 */

/** The fields it is about, taken one by one as they stand in the request. Names are in lower case. */
export class RequestFraming {
  host: string | undefined;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  #repeated: string | undefined;

  /** Looks at one field; whether it was one of these. */
  take(name: string, value: string): boolean {
    switch (name) {
      case 'host':
        if (this.host === undefined) this.host = value;
        else this.#repeated = name;
        return true;
      case 'content-length':
        if (this.contentLength === undefined) this.contentLength = value;
        else this.#repeated = name;
        return true;
      case 'transfer-encoding':
        if (this.transferEncoding === undefined) this.transferEncoding = value;
        else this.#repeated = name;
        return true;
      default:
        return false;
    }
  }

  /**
   * Whether the request says that a body follows. An upgrade must not: to one server what follows is the
   * body, to another the first bytes of the new protocol.
   */
  get hasBody(): boolean {
    return this.transferEncoding !== undefined || Number(this.contentLength ?? 0) > 0;
  }

  /** Why the request must not be served, as a sentence without its stop; undefined when it may. */
  fault(): string | undefined {
    const { host, contentLength, transferEncoding } = this;
    if (this.#repeated !== undefined) return `Repeated header ${this.#repeated}`;
    if (host === undefined) return 'Missing header host';
    if (contentLength !== undefined && !digits.test(contentLength)) {
      return 'Malformed header content-length';
    }
    if (transferEncoding === undefined) return undefined;
    // uWebSockets.js reads a body with any transfer coding as chunked.
    if (transferEncoding.toLowerCase() === 'chunked' && contentLength === undefined) {
      return undefined;
    }
    return 'Unsupported header transfer-encoding';
  }
}

const digits = /^\d{1,15}$/;
