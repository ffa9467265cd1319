/** What everybody used between two moments. */

import type { Used } from './plan.ts';
import { cpuMsOf, cpuMsOfAll } from './proc.ts';

/** Its processes, and those of its fork. */
const REDIS = ['redis-server', 'valkey-server'];

/** Starts measuring; the function returned ends it. */
export function startMeter(serverPids: readonly number[]): () => Used {
  const postgresBefore = cpuMsOfAll('postgres');
  const redisBefore = cpuMsOfAll(...REDIS);
  const serversBefore = serverPids.map(cpuMsOf);
  const startedAt = performance.now();
  const ownBefore = process.cpuUsage();
  return () => {
    const durationMs = performance.now() - startedAt;
    const own = process.cpuUsage(ownBefore);
    const servers = serverPids.map((pid, i) => cpuMsOf(pid) - (serversBefore[i] ?? 0));
    return {
      durationMs,
      serverCpuMs: servers.reduce((sum, ms) => sum + ms, 0),
      eachServerCpuMs: servers,
      loadCpuMs: (own.user + own.system) / 1000,
      postgresCpuMs: cpuMsOfAll('postgres') - postgresBefore,
      redisCpuMs: cpuMsOfAll(...REDIS) - redisBefore,
    };
  };
}
