/** Whether a start would be refused: each prerequisite as a finding. */
import { once } from 'node:events';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { text } from 'node:stream/consumers';
import { HEALTH_MS } from '../bounds/doctor.ts';
import type { Config } from '../config.ts';
import { prerequisitesOf } from '../prerequisites.ts';
import { reasonOf } from '../shared/reason.ts';
import { type Finding, ok, problem } from './finding.ts';

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
      found.push(
        isTaken && (await ours) === true
          ? ok(subject, 'this service listens there')
          : problem(subject, reasonOf(error), advice),
      );
    }
  }
  return found;
}

/** Whether this service runs here already: then all the ports of these settings are its own. */
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
