/** What the service needs of the machine: Node, the native server, cores, file descriptors. */
import { availableParallelism, totalmem } from 'node:os';
import { FEW_DESCRIPTORS } from '../bounds/doctor.ts';
import type { Config } from '../config.ts';
import { readDescriptorLimit, roomFor, whyNoRoom } from '../descriptors.ts';
import { cautionAboutNode, whyNodeIsUnsupported } from '../platform.js';
import { loadNativeServer } from '../realtime/uws.ts';
import { reasonOf } from '../shared/reason.ts';
import { advise, type Finding, ok, problem } from './finding.ts';

/** Whether the service runs on this version of Node; where it has faults, the finding says which. */
export function checkNode(version: string = process.versions.node): Finding {
  const memoryGb = (totalmem() / 1e9).toFixed(1);
  const found = `version ${version}; ${availableParallelism()} cores, ${memoryGb} GB of memory`;
  const refused = whyNodeIsUnsupported(version);
  if (refused !== null) return problem('Node', found, refused);
  const caution = cautionAboutNode(version);
  return caution === null ? ok('Node', found) : advise('Node', found, caution);
}

/** Whether there are as many cores as there are to be processes. */
export function checkWorkers(workers: number, cores: number = availableParallelism()): Finding {
  const found = `${workers} on ${cores} ${cores === 1 ? 'core' : 'cores'}`;
  if (workers <= cores) return ok('Workers', found);
  return advise('Workers', found, 'They share the cores: WORKERS=auto is one for each.');
}

/** Loads the native binary, which fails where the C library is too old. */
export function checkNativeServer(): Finding {
  try {
    loadNativeServer();
    return ok('uWebSockets.js', 'loads');
  } catch (error) {
    return problem('uWebSockets.js', reasonOf(error), 'docs/platform.md says what it needs.');
  }
}

/** Whether as many connections fit as are wanted. @param descriptors what a process may open */
export function checkDescriptors(
  config: Pick<Config, 'database' | 'redis' | 'realtime'>,
  descriptors: number = readDescriptorLimit(),
): Finding {
  const subject = 'File descriptors';
  if (descriptors === Number.POSITIVE_INFINITY) {
    return ok(subject, 'this system names no limit');
  }
  const room = roomFor(config, descriptors);
  const noRoom = whyNoRoom(room);
  if (noRoom !== null) return problem(subject, String(descriptors), noRoom);
  const { maxConnections } = config.realtime;
  const found = `${descriptors}: ${room.connections} connections, ${room.sessions} of them sockets; MAX_CONNECTIONS is ${maxConnections}`;
  if (room.sessions === maxConnections) return ok(subject, found);
  const advice = `Further ones are refused: raise the limit (ulimit -n, LimitNOFILE, ulimits of a container), or lower MAX_CONNECTIONS.`;
  // A number somebody chose is worth a word; a shell's default is worth a louder one.
  return descriptors < FEW_DESCRIPTORS
    ? advise(subject, found, advice)
    : advise(subject, found, `${advice} Fine if you expect fewer.`);
}
