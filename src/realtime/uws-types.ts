/**
 * uWebSockets.js as this project may use it. Narrower than the library's own types: text is
 * `NativeText`, and what differs between its binaries is not there.
 */
import type * as uws from 'uWebSockets.js';
import type { Ascii, NativeText } from '../shared/native-text.ts';

export type { HttpRequest, us_listen_socket, us_socket_context_t } from 'uWebSockets.js';

export interface WebSocket<UserData>
  extends Pick<uws.WebSocket<UserData>, 'close' | 'getBufferedAmount' | 'getUserData'> {
  /** 1: all went to the kernel; 2: dropped, beyond the limit; 0: some of it waits. */
  send(message: NativeText, isBinary: boolean): number;
  subscribe(topic: Ascii): boolean;
  unsubscribe(topic: Ascii): boolean;
  isSubscribed(topic: Ascii): boolean;
  getTopics(): Ascii[];
  /** What is sent inside goes to the kernel together. */
  cork(write: () => void): void;
  /** Sends to all subscribers of the topic but this socket. */
  publish(topic: Ascii, message: NativeText, isBinary: boolean): boolean;
  /** Closes the WebSocket in order, without a code. */
  end(): void;
}

export interface HttpResponse {
  writeStatus(status: NativeText): HttpResponse;
  writeHeader(name: Ascii, value: NativeText): HttpResponse;
  write(chunk: Uint8Array): boolean;
  end(body?: NativeText, close?: boolean): HttpResponse;
  /**
   * Without an argument only: with one the binary for Node 20 waits for a body, and `undefined`
   * announces 2^63 bytes. See `answerWithoutBody`.
   */
  endWithoutBody(): HttpResponse;
  tryEnd(bodyOrChunk: Uint8Array, totalSize: number): [ok: boolean, done: boolean];
  close(): HttpResponse;
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): HttpResponse;
  onAborted(handler: () => void): HttpResponse;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): HttpResponse;
  getRemoteAddress(): ArrayBuffer;
  cork(write: () => void): HttpResponse;
  upgrade<UserData>(
    userData: UserData,
    key: NativeText,
    protocol: NativeText,
    extensions: NativeText,
    context: uws.us_socket_context_t,
  ): void;
}

export interface WebSocketBehavior<UserData>
  extends Pick<
    uws.WebSocketBehavior<UserData>,
    | 'closeOnBackpressureLimit'
    | 'idleTimeout'
    | 'maxBackpressure'
    | 'maxPayloadLength'
    | 'sendPingsAutomatically'
  > {
  upgrade(res: HttpResponse, req: uws.HttpRequest, context: uws.us_socket_context_t): void;
  open(socket: WebSocket<UserData>): void;
  message(socket: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void;
  ping(socket: WebSocket<UserData>): void;
  drain(socket: WebSocket<UserData>): void;
  close(socket: WebSocket<UserData>): void;
}

export interface TemplatedApp {
  any(pattern: string, handler: (res: HttpResponse, req: uws.HttpRequest) => void): TemplatedApp;
  ws<UserData>(pattern: string, behavior: WebSocketBehavior<UserData>): TemplatedApp;
  /** Called with 1 for each new connection, with -1 for each that is gone. */
  filter(handler: (res: HttpResponse, change: number) => void): TemplatedApp;
  publish(topic: Ascii, message: NativeText, isBinary: boolean): boolean;
  numSubscribers(topic: Ascii): number;
  listen(port: number, options: uws.ListenOptions, taken: Taken): TemplatedApp;
  // The native function takes a host too; the library's types forgot that form.
  listen(host: string, port: number, options: uws.ListenOptions, taken: Taken): TemplatedApp;
  close(): TemplatedApp;
}

/** The library itself: what its module exports. */
export interface Native {
  App(): TemplatedApp;
  SSLApp(options: { key_file_name: NativeText; cert_file_name: NativeText }): TemplatedApp;
  us_socket_local_port(socket: uws.us_listen_socket): number;
  us_listen_socket_close(socket: uws.us_listen_socket): void;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: uws.ListenOptions;
  _cfg(key: string): void;
}

type Taken = (socket: uws.us_listen_socket | false) => void;
