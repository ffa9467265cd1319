/** A server under test: the product, or a baseline, which it is compared with. */
import { residentBytesOf } from '../load/proc.ts';
import { type Child, startChild } from './child.ts';
import type { Tree } from './tree.ts';

const START_MS = 60_000;
const ANSWER_MS = 60_000;

export interface Server {
  name: string;
  port: number;
  pid: number;
  /** All processes it consists of. */
  pids: readonly number[];
  residentBytes(): number;
  /** The server's memory in bytes, after a garbage collection. */
  memory(): Promise<{ rss: number; heapUsed: number; external: number; arrayBuffers: number }>;
  startProfile(): Promise<void>;
  stopProfile(file: string): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  tree: Tree;
  /** Shown in results; for a baseline also its file's name in baselines/. */
  name: string;
  databaseUrl: string;
  redisUrl?: string | undefined;
  redisPrefix?: string | undefined;
  /** Settings of the product over those of every bench. */
  env?: Record<string, string>;
}

/** The product as its users run it in production; insecure, so that no time goes into tokens. */
export function startProduct(options: ServerOptions): Promise<Server> {
  const { tree, databaseUrl, redisUrl, redisPrefix } = options;
  return start(options.name, tree, tree.product, {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    AUTH_MODE: 'insecure',
    ALLOW_INSECURE_AUTH: 'true',
    LOG_LEVEL: 'error',
    RATE_LIMIT: 'off',
    DATABASE_URL: databaseUrl,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, REDIS_PREFIX: redisPrefix ?? '' }),
    ...options.env,
  });
}

/** A program of baselines/. */
export function startBaseline(options: ServerOptions): Promise<Server> {
  const { tree, name, databaseUrl } = options;
  return start(name, tree, tree.script(`baselines/${name}.js`), {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
  });
}

async function start(
  name: string,
  tree: Tree,
  script: string,
  env: Record<string, string>,
): Promise<Server> {
  const child = startChild(
    ['--expose-gc', '--import', tree.probe, script],
    env,
    // Its own package.json, and no .env file of whoever runs this.
    tree.directory,
  );
  try {
    const [, port] = await child.says(/listens on http:\/\/localhost:(\d+)/, START_MS);
    return server(name, Number(port), child);
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function server(name: string, port: number, child: Child): Server {
  let asked = 0;
  async function ask(question: string, argument?: string): Promise<unknown> {
    asked += 1;
    child.process.send({ id: asked, ask: question, argument });
    const message = await child.nextMessage(ANSWER_MS);
    if (typeof message === 'object' && message !== null && 'answer' in message) {
      return message.answer;
    }
    throw new Error(`the probe answered ${JSON.stringify(message)}`);
  }
  return {
    name,
    port,
    pid: child.pid,
    pids: [child.pid],
    residentBytes: () => residentBytesOf(child.pid),
    async memory() {
      const answer = Object(await ask('memory'));
      const { rss, heapUsed, external, arrayBuffers } = answer;
      return {
        rss: Number(rss),
        heapUsed: Number(heapUsed),
        external: Number(external),
        arrayBuffers: Number(arrayBuffers),
      };
    },
    async startProfile() {
      await ask('startProfile');
    },
    async stopProfile(file) {
      await ask('stopProfile', file);
    },
    stop: () => child.stop(),
  };
}
