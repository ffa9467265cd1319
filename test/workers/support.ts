/** A service of several workers, and clients of which one knows, or need not know, the worker. */
import { Agent, get } from 'node:http';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { type Answer, ask, connected } from '../support/app.ts';
import { type Family, parseExposition } from '../support/exposition.ts';
import type { TestPerson } from '../support/people.ts';
import { listProcesses } from '../support/processes.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { waitFor } from '../support/wait.ts';

/** So often is a new connection tried to reach a certain worker: (1/2)^200 is never. */
const MAX_TRIES = 200;

export interface Message {
  seq: number;
  content: string;
}

interface Health {
  data: { worker: { number: number; pid: number } };
}

function getText(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => resolve(text));
    }).once('error', reject);
  });
}

/** One TCP connection, and the worker at its other end. */
export interface Line {
  pid: number;
  agent: Agent;
}

/** A new connection to whichever worker the system chooses. */
async function openLine(service: ServiceProcess): Promise<Line> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const health = JSON.parse(await getText(`${service.url}/health`, agent)) as Health;
  return { pid: health.data.worker.pid, agent };
}

/** A new connection to this worker. */
export async function lineTo(service: ServiceProcess, pid: number): Promise<Line> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const line = await openLine(service);
    if (line.pid === pid) return line;
    line.agent.destroy();
  }
  throw new Error(`no connection reached the worker ${pid}`);
}

/** The process ids of all `count` workers that take connections. */
export async function workerPids(service: ServiceProcess, count = 2): Promise<number[]> {
  const pids = new Set<number>();
  for (let tries = 0; tries < MAX_TRIES && pids.size < count; tries += 1) {
    const { pid, agent } = await openLine(service);
    agent.destroy();
    pids.add(pid);
  }
  if (pids.size < count) throw new Error(`only ${[...pids]} of ${count} workers answer`);
  return [...pids];
}

type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/** A stock client, WebSocket only. */
export function client(
  service: ServiceProcess,
  person: TestPerson,
  options: ClientOptions = {},
): Socket {
  return io(service.url, {
    forceNew: true,
    transports: ['websocket'],
    query: { userId: person.id },
    ...options,
  });
}

/** A stock client whose first connection goes to this worker. */
export async function clientOn(
  service: ServiceProcess,
  pid: number,
  person: TestPerson,
): Promise<Socket> {
  const { agent } = await lineTo(service, pid);
  // The upgrade takes the connection that the agent holds; later ones are new.
  const socket = client(service, person, { agent: agent as never });
  await connected(socket);
  return socket;
}

/** Joins at every connect after what it has heard, as the README says; keeps every message. */
export function listen(socket: Socket, conversation_id: string): Message[] {
  const heard: Message[] = [];
  socket.on('new_message', (message: Message) => heard.push(message));
  const join = (): void => {
    const after_seq = heard.at(-1)?.seq ?? 0;
    // Unanswered when the connection ends: the next connect joins again.
    ask(socket, 'join_conversation', { conversation_id, after_seq }).catch(() => undefined);
  };
  socket.on('connect', join);
  if (socket.connected) join();
  return heard;
}

/** Sends until it is acknowledged, as the README says; resolves with the message's seq. */
export async function sendSurely(
  socket: Socket,
  conversation_id: string,
  content: string,
): Promise<number> {
  const message = { conversation_id, content, client_message_id: crypto.randomUUID() };
  for (;;) {
    const answer: Answer | null = await ask(socket, 'send_message', message).catch(() => null);
    if (answer?.success === true) return Number(answer.data.seq);
    if (answer !== null && answer.error.code !== 'unavailable') {
      throw new Error(`${answer.error.code}: ${answer.error.message}`);
    }
  }
}

/** 1, 2, … n */
export function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}

export interface Scraped {
  families: Map<string, Family>;
  figure(series: string): number;
  tookMs: number;
}

/** What /metrics says, asked over this line or a new connection. */
export async function scrape(service: ServiceProcess, line?: Line): Promise<Scraped> {
  const agent = line?.agent ?? new Agent();
  const begun = performance.now();
  const families = parseExposition(await getText(`${service.url}/metrics`, agent));
  return {
    tookMs: performance.now() - begun,
    families,
    figure(series) {
      const found = [...families.values()].flatMap(({ samples }) => samples.get(series) ?? []);
      if (found.length !== 1) throw new Error(`${series} is there ${found.length} times`);
      return found[0] ?? Number.NaN;
    },
  };
}

/** Figures are collected at a bounded rate, so an answer may be of a moment ago: asks until one fits. */
export async function scrapeUntil(
  service: ServiceProcess,
  fits: (scraped: Scraped) => boolean,
  line?: Line,
): Promise<Scraped> {
  let last: Scraped | undefined;
  await waitFor(
    async () => {
      last = await scrape(service, line);
      return fits(last);
    },
    { what: 'the figures', intervalMs: 50 },
  );
  if (last === undefined) throw new Error('nothing was scraped');
  return last;
}

/** The processes below this one that were started with these words; tsx has some of its own. */
export async function childrenWith(pid: number, words: string): Promise<number[]> {
  const rows = await listProcesses();
  return rows
    .filter(({ parent, command }) => parent === pid && command.includes(words))
    .map((row) => row.pid);
}

/** The workers of a supervisor, whether they listen or not. */
export function workersBelow(pid: number): Promise<number[]> {
  return childrenWith(pid, ' --worker ');
}

/** Which of these processes still run. */
export async function running(pids: readonly number[]): Promise<number[]> {
  const rows = await listProcesses();
  return rows.filter(({ pid, state }) => pids.includes(pid) && state !== 'Z').map(({ pid }) => pid);
}
