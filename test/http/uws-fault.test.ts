/** A fault of ours within a request: an exception that nobody catches, and not the end of the process. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import { BODY_TIMEOUT_MS } from '../../src/bounds/http.ts';
import { DEFAULT_MAX_HELD_BYTES } from '../../src/bounds/shared.ts';
import { createUwsBridge, type UwsBridge } from '../../src/http/uws-bridge.ts';
import { createUwsApp, type Listening, listenExclusive } from '../../src/realtime/uws.ts';
import { createMemoryBudget } from '../../src/shared/memory-budget.ts';
import { waitFor } from '../support/wait.ts';
import { exchange } from './raw-http.ts';

const app = createUwsApp();
let bridge: UwsBridge;
let listening: Listening;
let dispatch: (req: unknown, res: { end(text: string): void }) => void;

/** Those of the test runner, which would count the exception as a failed test. */
const listeners = process.listeners('uncaughtException');
const uncaught: unknown[] = [];

beforeEach(async () => {
  uncaught.length = 0;
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  bridge = createUwsBridge({
    app,
    maxBodyBytes: 1_000,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    memory: createMemoryBudget(DEFAULT_MAX_HELD_BYTES),
  });
  const handler = (req: unknown, res: { end(text: string): void }) => dispatch(req, res);
  bridge.serverFactory(handler as never, {});
  listening = await listenExclusive(app, '127.0.0.1', 0);
});
afterEach(() => {
  listening.stop();
  app.close();
  process.removeAllListeners('uncaughtException');
  for (const listener of listeners) process.on('uncaughtException', listener);
});

const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const post = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc';

it('costs the one request, before and after its answer, and is told', async () => {
  const fault = new Error('a fault of ours');
  dispatch = () => {
    throw fault;
  };
  for (const request of [get, post]) {
    await expect(exchange(listening.port, request)).rejects.toThrow();
  }
  dispatch = (_req, res) => {
    res.end('answered');
    throw fault;
  };
  expect((await exchange(listening.port, get)).body).toContain('answered');
  await waitFor(() => uncaught.length === 3, { what: 'three exceptions' });
  expect(new Set(uncaught)).toEqual(new Set([fault]));
  expect(bridge.inFlight()).toBe(0);
  dispatch = (_req, res) => res.end('and on');
  expect((await exchange(listening.port, get)).body).toContain('and on');
});
