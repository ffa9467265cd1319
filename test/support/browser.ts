// A real Chromium for tests, headless, with an empty profile of its own, and pages of another origin
// than the service. Where there is no Chromium it is installed (as root on Debian or Ubuntu); where
// that is not possible either, one sentence says so and the tests are skipped.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type Browser, chromium, type JSHandle, type Page } from 'playwright-core';
import type { io as clientIo, ManagerOptions, Socket, SocketOptions } from 'socket.io-client';
import { waitFor } from './wait.ts';

const BINARIES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const INSTALL_TIMEOUT_MS = 600_000;
/**
 * A name of this machine inside the browser. Pages on a loopback address are trusted in ways that
 * those of a real host are not.
 */
export const NAMED_HOST = 'chat.test';
/** The driver looks for a browser of its own when it has no path; everything here is the machine's. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${NAMED_HOST} 127.0.0.1`,
];
const LAUNCH_TIMEOUT_MS = 60_000;

/** The global of the bundle, inside a page. */
declare const io: typeof clientIo;

export type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/**
 * The path of a Chromium, installed first if need be.
 *
 * @returns undefined, after saying so, when this machine has none and lets none be installed
 */
export async function findChromium(): Promise<string | undefined> {
  const found = onPath();
  if (found !== undefined) return found;
  const complaint = await installChromium();
  const installed = onPath();
  if (installed === undefined) {
    say(`The browser tests are skipped: there is no Chromium here, and ${complaint}.`);
  }
  return installed;
}

/** Starts it; `close()` ends it and removes its profile. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: FLAGS,
    timeout: LAUNCH_TIMEOUT_MS,
  });
}

export interface PageServer {
  /** As in a browser's Origin header. */
  readonly origin: string;
  stop(): Promise<void>;
}

const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page of another origin</title>
<link rel="icon" href="data:,"></head>
<body><script src="/socket.io.min.js"></script></body></html>
`;

/** A page with the stock client's browser bundle, on an origin of its own. */
export async function servePage(): Promise<PageServer> {
  const main = createRequire(import.meta.url).resolve('socket.io-client/package.json');
  const bundle = await readFile(join(dirname(main), 'dist', 'socket.io.min.js'));
  const server = createServer((request, response) => {
    if (request.url === '/') {
      response.setHeader('content-type', 'text/html; charset=utf-8').end(PAGE);
    } else if (request.url === '/socket.io.min.js') {
      response.setHeader('content-type', 'text/javascript; charset=utf-8').end(bundle);
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The page has no port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface OpenedPage {
  readonly page: Page;
  /** What the browser and the page complained about: console errors and uncaught exceptions. */
  readonly complaints: string[];
  close(): Promise<void>;
}

/** Opens `url` in a context of its own: no cookie, cache or connection of another test. */
export async function openPage(browser: Browser, url: string): Promise<OpenedPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => void complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** The stock client inside a page. */
export interface PageClient {
  readonly socket: JSHandle<Socket>;
  /**
   * What has happened to it so far, in order: `connect`, `disconnect` with its reason,
   * `connect_error` with message and data, and every event from the server with its arguments.
   */
  happened(): Promise<[event: string, ...args: unknown[]][]>;
  /** Emits with an acknowledgement, and resolves with its one argument. */
  ask<T = unknown>(event: string, payload: unknown): Promise<T>;
  /** Resolves once it is connected, over `transport` where one is named. */
  connected(transport?: 'polling' | 'websocket'): Promise<void>;
}

/** Creates a client in the page; it begins to connect. */
export async function connectInPage(
  page: Page,
  url: string,
  options: ClientOptions = {},
): Promise<PageClient> {
  // The listeners are set in the turn in which the client is made: nothing is missed.
  const both = await page.evaluateHandle(
    ([to, given]) => {
      const socket = io(to, { forceNew: true, reconnectionDelay: 100, ...given });
      const happened: [string, ...unknown[]][] = [];
      socket.on('connect', () => happened.push(['connect']));
      socket.on('disconnect', (reason) => happened.push(['disconnect', reason]));
      socket.on('connect_error', (error: Error & { data?: unknown }) =>
        happened.push(['connect_error', error.message, error.data]),
      );
      socket.onAny((event: string, ...args: unknown[]) => happened.push([event, ...args]));
      return { socket, happened };
    },
    [url, options] as const,
  );
  const socket = await both.evaluateHandle(({ socket }) => socket);
  return {
    socket,
    happened: () => both.evaluate(({ happened }) => happened),
    ask: (event, payload) =>
      socket.evaluate((client, [name, body]) => client.timeout(10_000).emitWithAck(name, body), [
        event,
        payload,
      ] as const),
    async connected(transport) {
      const what = `a connection in the page over ${transport ?? 'any transport'}`;
      await waitFor(
        async () => {
          const name = await socket.evaluate(
            (client) => client.connected && client.io.engine.transport.name,
          );
          return transport === undefined ? name : name === transport;
        },
        { what },
      );
    },
  };
}

function onPath(): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of BINARIES) {
      const path = join(directory, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here: the next place.
      }
    }
  }
  return undefined;
}

/** Installs the distribution's package. Resolves with what stood in the way, if anything did. */
async function installChromium(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => ''); // not a Linux
  if (!/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)) return 'this is not Debian or Ubuntu';
  if (process.getuid?.() !== 0) return 'only root may install the package chromium';
  say('No Chromium here: installing the distribution package chromium with apt-get.');
  // Several test files may get here at once: one installs, the others wait for it.
  const script =
    'command -v chromium > /dev/null || { apt-get update -q && ' +
    'apt-get install -q -y --no-install-recommends chromium; }';
  return new Promise((resolve) => {
    const lock = join(tmpdir(), 'messaging-test-chromium.lock');
    const child = spawn('flock', [lock, 'sh', '-c', script], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: INSTALL_TIMEOUT_MS,
    });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-1000);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => {
      const lastLine = complaint.trim().split('\n').at(-1) ?? '';
      resolve(code === 0 ? undefined : `it could not be installed: ${lastLine}`);
    });
  });
}

function say(line: string): void {
  process.stderr.write(`[test services] ${line}\n`);
}
