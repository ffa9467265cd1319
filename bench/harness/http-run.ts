/** REST calls against one freshly started server on a database that is there already. */
import { join } from 'node:path';
import type { Http } from '../load/plan.ts';
import { PRODUCT, sampleOf } from './chat-run.ts';
import type { BenchContext } from './context.ts';
import { startLoad } from './load.ts';
import type { Sample } from './result.ts';
import { startBaseline, startProduct } from './server.ts';

const TIMEOUT_MS = 120_000;

export interface Call {
  name: string;
  requests: string[];
  numbered?: boolean;
  /** For calls that store: how many rows are stored now. Each answer must have made it one more. */
  stored?: () => Promise<number>;
  expect: Http['expect'];
  /** One at a time, where latency is asked for and not throughput. */
  connections?: number;
}

export function get(path: string, userId?: string): string {
  const user = userId === undefined ? '' : `x-user-id: ${userId}\r\n`;
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${user}\r\n`;
}

/** `{n}` in the body stands for ten digits. */
export function post(path: string, userId: string, body: object): string {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text.replaceAll('{n}', '0'.repeat(10)));
  return (
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nx-user-id: ${userId}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${text}`
  );
}

/** All calls, one after the other, against one server process. */
export async function measureCalls(
  context: BenchContext,
  subject: string,
  databaseUrl: string,
  calls: readonly Call[],
): Promise<Omit<Sample, 'round'>[]> {
  const options = { tree: context.tree, name: subject, databaseUrl };
  const server = await (subject === PRODUCT ? startProduct(options) : startBaseline(options));
  const samples: Omit<Sample, 'round'>[] = [];
  const load = await startLoad(context.tree);
  try {
    for (const call of calls) {
      const plan: Http = {
        kind: 'http',
        port: server.port,
        connections: call.connections ?? context.pick({ tiny: 4, quick: 32, full: 32 }),
        requests: call.requests,
        numbered: call.numbered ?? false,
        expect: call.expect,
        serverPids: [server.pid],
        warmUpMs: context.pick({ tiny: 100, quick: 500, full: 1_500 }),
        measureMs: context.pick({ tiny: 500, quick: 1_500, full: 2_000 }),
      };
      const profile =
        context.profileDir === null
          ? null
          : join(context.profileDir, `${subject}-${call.name.replaceAll(' ', '-')}.cpuprofile`);
      if (profile !== null) await server.startProfile();
      const before = await call.stored?.();
      const result = await load.run(plan, TIMEOUT_MS);
      if (profile !== null) await server.stopProfile(profile);
      const sample = sampleOf(subject, call.name, result);
      const more = ((await call.stored?.()) ?? 0) - (before ?? 0);
      if (before !== undefined && more !== result.totalDone) {
        sample.faults.push(`${result.totalDone} were answered, the table holds ${more} more`);
      }
      delete sample.metrics.delivered_per_s;
      delete sample.metrics.server_us_per_delivery;
      delete sample.metrics.deliveries_per_server_cpu_s;
      samples.push(sample);
    }
  } finally {
    await load.stop();
    await server.stop();
  }
  return samples;
}
