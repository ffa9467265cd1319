/** What `/ready` looks at: whether this process is fit to take traffic, and what keeps it from it. */
import { atBoundedRate, type Rate } from '../shared/bounded-rate.ts';
import type { Readiness } from './health-routes.ts';

export interface ReadinessDeps {
  /** `ok`, or what is wrong with PostgreSQL. */
  postgres(): Promise<string>;
  /** Whether the link to the other nodes works, and why not. */
  link(): { ok: true; kind: string } | { ok: false; kind: string; reason: string };
  /** What keeps the other nodes' Redis from taking writes; null: nothing does. */
  trouble(): string | null;
  /** Whether a node whose Redis is away is unfit. */
  redisRequired: boolean;
  draining(): boolean;
}

/** Far more often than any probe asks; each is a query like others. */
const PINGED: Rate = { most: 10, windowMs: 1_000 };

/** Returns the function that looks; PostgreSQL is asked `PINGED` times a second at most. */
export function createReadiness(deps: ReadinessDeps): () => Promise<Readiness> {
  const askPostgres = atBoundedRate(deps.postgres, PINGED);
  return async () => {
    const postgres = await askPostgres();
    const link = deps.link();
    const redis = link.ok ? (deps.trouble() ?? 'ok') : link.reason;
    const draining = deps.draining();
    const checks: Record<string, string> = { postgres };
    if (link.kind === 'redis') checks.redis = redis;
    if (draining) checks.draining = 'the node is going down';
    const ready = postgres === 'ok' && !draining && (link.ok || !deps.redisRequired);
    return { ready, checks };
  };
}
