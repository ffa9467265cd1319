/** Whether a start would be refused: each prerequisite as a finding. */
import { once } from 'node:events';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { text } from 'node:stream/consumers';
import { HEALTH_MS } from '../bounds/doctor.ts';
import type { Config } from '../config.ts';
import { prerequisitesOf, subjectOf } from '../prerequisites.ts';
import { reasonOf } from '../shared/reason.ts';
import { advise, type Finding, ok, problem } from './finding.ts';

/** The findings about all that a start would require. */
export async function checkPrerequisites(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  /** Asked once, and only when a port is taken. */
  let ours: Promise<boolean> | undefined;
  for (const { subject, found: well, advice, require } of prerequisitesOf(config)) {
    try {
      await require();
      found.push(ok(subject, well));
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (isTaken) ours ??= isOurs(config);
      if (!isTaken || !(await ours)) found.push(problem(subject, reasonOf(error), advice));
      else if (subject === subjectOf(config.port)) {
        found.push(ok(subject, 'this service listens there'));
      } else {
        // It was not asked: a setting that is new names what somebody else may have.
        found.push(advise(subject, 'taken, perhaps by this service', advice));
      }
    }
  }
  return found;
}

/** Whether this service has `PORT` already: then its other ports may be its own, too. */
async function isOurs({ host, port, tls }: Config): Promise<boolean> {
  const ask = tls === null ? requestPlain : requestTls;
  try {
    const question = ask({
      // An address that means all of them leads to this machine, too.
      host,
      port,
      path: '/health',
      // By a name that the service answers to also where it believes every caller.
      headers: { host: 'localhost' },
      // Whose certificate it is does not matter: it is told nothing.
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(HEALTH_MS),
    });
    question.end();
    const [answer] = (await once(question, 'response')) as [IncomingMessage];
    return (await text(answer)).includes('"service":"messaging-service"');
  } catch {
    // Whatever it is, it is not ours.
    return false;
  }
}
