/**
 * Looks at all that the service stands on and says what is wrong, with advice. Changes nothing: it is
 * safe beside a running service.
 */
import { REDIS_TRIAL_MS } from '../bounds/doctor.ts';
import type { Config } from '../config.ts';
import { countWorkers } from '../workers/count.ts';
import { advise, type Finding, ok } from './finding.ts';
import { checkKeySet } from './key-set-check.ts';
import { checkDescriptors, checkNativeServer, checkNode, checkWorkers } from './machine-checks.ts';
import { checkPostgres } from './postgres-check.ts';
import { checkPrerequisites } from './prerequisite-check.ts';
import { checkRedis } from './redis-check.ts';

export type { Finding } from './finding.ts';

/** Makes all checks that the settings call for; resolves with their findings in a fixed order. */
export async function examine(config: Config): Promise<Finding[]> {
  const { auth, database, redis } = config;
  const workers = countWorkers(config);
  return [
    checkNode(),
    checkNativeServer(),
    ...settings(config),
    checkWorkers(workers),
    ...(database.url === null
      ? [ok('PostgreSQL', `embedded, files in ${database.dataDir}`)]
      : await checkPostgres({
          url: database.url,
          poolMax: database.poolMax,
          nodes: workers,
          connectTimeoutMs: database.connectTimeoutMs,
        })),
    redis.url === null
      ? ok('Redis', 'none: one node alone')
      : await checkRedis({ url: redis.url, prefix: redis.prefix, timeoutMs: REDIS_TRIAL_MS }),
    ...(auth.mode === 'jwt' && auth.jwksUrl !== null ? [await checkKeySet(auth.jwksUrl)] : []),
    checkDescriptors(config),
    ...(await checkPrerequisites(config)),
  ];
}

/** What is understood of them; what else must be true of them is with the prerequisites. */
function settings({ auth, nodeEnv, rateLimits, trustedProxies }: Config): Finding[] {
  const found = [ok('Settings', `understood; NODE_ENV=${nodeEnv}, AUTH_MODE=${auth.mode}`)];
  if (auth.mode === 'insecure') {
    found.push(
      advise(
        'Identity',
        'every caller is believed',
        'Set JWT_SECRET before anybody else can call.',
      ),
    );
  }
  if (rateLimits !== null && trustedProxies.length === 0) {
    found.push(
      advise(
        'Rates',
        'X-Forwarded-For is not believed of anybody',
        'Behind a proxy everybody has its address: set TRUSTED_PROXIES.',
      ),
    );
  }
  return found;
}

const SIGNS = { ok: '✓', advice: '!', problem: '✗' } as const;

/** The findings as lines for a terminal. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.flatMap(({ subject, verdict, found, advice }) => [
    `  ${SIGNS[verdict]} ${subject.padEnd(width)}  ${found}`,
    ...(advice === '' ? [] : [`    ${' '.repeat(width)}  → ${advice}`]),
  ]);
  const problems = findings.filter(({ verdict }) => verdict === 'problem').length;
  const summary =
    problems === 0
      ? 'Nothing keeps the service from running.'
      : `${problems} ${problems === 1 ? 'problem keeps' : 'problems keep'} the service from running as promised.`;
  return `${lines.join('\n')}\n\n  ${summary}\n`;
}
