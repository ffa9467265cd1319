/** An HTTP client of raw bytes: sends what it is given and reads responses off one connection. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class RawResponse {
  readonly statusLine: string;
  readonly status: number;
  readonly fields: [name: string, value: string][];
  readonly headers: Headers;
  readonly body: string;

  constructor(head: string, body: string) {
    const [statusLine = '', ...lines] = head.split('\r\n');
    this.statusLine = statusLine;
    this.status = Number(statusLine.split(' ')[1]);
    this.fields = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    this.headers = new Headers(this.fields);
    this.body = body;
  }

  /** How many fields of this (lower-case) name there are. */
  count(name: string): number {
    return this.fields.filter(([field]) => field === name).length;
  }

  json(): unknown {
    return JSON.parse(Buffer.from(this.body, 'latin1').toString());
  }
}

export interface RawClient {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  /** Sends text, one byte a character. */
  send(text: string): void;
  /** The next response; `headOnly`: it answers a HEAD. */
  response(options?: { headOnly: boolean }): Promise<RawResponse>;
  /** Cuts the connection. */
  close(): void;
}

/** Connects to a server on this machine. */
export async function open(port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const chunks: Buffer[] = [];
  let buffered = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  let ended = false;
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    wake?.();
  });
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      ended = true;
      wake?.();
      resolve();
    });
  });

  async function more(): Promise<void> {
    while (chunks.length === 0) {
      if (ended) throw new Error(`Connection closed after ${buffered.length} bytes of a response`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    buffered = Buffer.concat([buffered, ...chunks.splice(0)]);
  }

  async function until(mark: string, from: number): Promise<number> {
    for (;;) {
      const found = buffered.indexOf(mark, from, 'latin1');
      if (found >= 0) return found;
      await more();
    }
  }

  async function take(length: number): Promise<string> {
    while (buffered.length < length) await more();
    const text = buffered.toString('latin1', 0, length);
    buffered = buffered.subarray(length);
    return text;
  }

  async function chunked(): Promise<string> {
    let body = '';
    for (;;) {
      const size = Number.parseInt(await take((await until('\r\n', 0)) + 2), 16);
      const piece = await take(size + 2);
      if (size === 0) return body;
      body += piece.slice(0, -2);
    }
  }

  async function response(options = { headOnly: false }): Promise<RawResponse> {
    const head = (await take((await until('\r\n\r\n', 0)) + 4)).slice(0, -4);
    const bare = new RawResponse(head, '');
    if (options.headOnly || bare.status < 200 || bare.status === 204 || bare.status === 304) {
      return bare;
    }
    const length = bare.headers.get('content-length');
    if (length !== null) return new RawResponse(head, await take(Number(length)));
    if (bare.headers.has('transfer-encoding')) return new RawResponse(head, await chunked());
    await closed;
    while (chunks.length > 0) await more();
    return new RawResponse(head, await take(buffered.length));
  }

  return {
    socket,
    closed,
    send: (text) => {
      socket.write(text, 'latin1');
    },
    response,
    close: () => {
      socket.destroy();
    },
  };
}

/** Sends a request on a connection of its own and reads its response. */
export async function exchange(port: number, request: string): Promise<RawResponse> {
  const client = await open(port);
  client.send(request);
  const response = await client.response();
  client.close();
  return response;
}
