/**
 * HTTP/1.1 requests over kept connections, one at a time on each. Answers are found by their
 * Content-Length; each is looked through for what it must hold.
 */
import { connect, type Socket } from 'node:net';
import { createLatency } from './latency.ts';
import { startMeter } from './meter.ts';
import type { Faults, Http, LoadResult } from './plan.ts';
import { after } from './traffic.ts';

const HEAD_END = '\r\n\r\n';

export async function runHttp(plan: Http): Promise<LoadResult> {
  const latency = createLatency();
  const faults: Faults = { lost: 0, doubled: 0, reordered: 0, refused: 0, notes: [] };
  const expected = Buffer.from(plan.expect.text);
  const requests = plan.requests.map((text) => Buffer.from(text));
  let counter = 0;
  let measuring = false;
  let sending = true;
  let done = 0;
  let totalDone = 0;
  let open = 0;

  function nextRequest(): Buffer | string {
    const index = counter % requests.length;
    counter += 1;
    if (!plan.numbered) return requests[index] ?? '';
    return (plan.requests[index] ?? '').replaceAll('{n}', String(counter).padStart(10, '0'));
  }

  function bad(note: string): void {
    faults.refused += 1;
    if (faults.notes.length < 10) faults.notes.push(note);
  }

  function check(answer: Buffer, bodyAt: number): boolean {
    const status = Number(answer.toString('latin1', 9, 12));
    let times = 0;
    for (let at = answer.indexOf(expected, bodyAt); at >= 0; times += 1) {
      at = answer.indexOf(expected, at + expected.length);
    }
    const good = status === plan.expect.status && times === plan.expect.times;
    if (!good) bad(`${status}, ${times} times: ${answer.toString('utf8', bodyAt, bodyAt + 200)}`);
    return good;
  }

  function start(): Socket {
    let pending: Buffer = Buffer.alloc(0);
    let sentAt = 0;
    let answered = true;
    const socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true });
    const send = (): void => {
      answered = false;
      open += 1;
      sentAt = performance.now();
      socket.write(nextRequest());
    };
    socket.on('connect', send);
    socket.on('error', (error) => bad(error.message));
    socket.on('close', () => {
      if (!answered) bad('the connection was closed');
    });
    socket.on('data', (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const headEnd = pending.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const length = /content-length: *(\d+)/i.exec(pending.toString('latin1', 0, headEnd))?.[1];
      if (length === undefined) {
        answered = true;
        bad('an answer without Content-Length');
        socket.destroy();
        return;
      }
      const bodyAt = headEnd + HEAD_END.length;
      if (pending.length < bodyAt + Number(length)) return;
      const end = bodyAt + Number(length);
      const good = check(pending.subarray(0, end), bodyAt);
      pending = pending.subarray(end);
      answered = true;
      open -= 1;
      if (good) totalDone += 1;
      if (good && measuring) {
        done += 1;
        latency.record(performance.now() - sentAt);
      }
      if (sending) send();
    });
    return socket;
  }

  const sockets = Array.from({ length: plan.connections }, start);
  await after(plan.warmUpMs);
  const stopMeter = startMeter(plan.serverPids);
  measuring = true;
  await after(plan.measureMs);
  measuring = false;
  const used = stopMeter();
  sending = false;
  const settled = performance.now() + 5_000;
  while (open > 0 && performance.now() < settled) await after(20);
  faults.lost += open;
  for (const socket of sockets) socket.destroy();
  return {
    used,
    done,
    delivered: 0,
    totalDone,
    ackLatency: latency.read(),
    deliveryLatency: createLatency().read(),
    faults,
  };
}
