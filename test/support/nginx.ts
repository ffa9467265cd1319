/** A real nginx with the configuration of deploy/, on free ports and a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { waitFor } from './wait.ts';

export interface Nginx {
  url: string;
  /** Reads the configuration again: new workers serve, the old ones finish. */
  reload(): void;
  /** What it has said of its nodes: each failure counts towards taking one out. */
  failures(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Starts it with `deploy/nginx.conf`, whose `node1` and `node2` are these two ports. */
export async function startNginx(binary: string, nodePorts: [number, number]): Promise<Nginx> {
  const place = await mkdtemp(join(tmpdir(), 'messaging-nginx-'));
  const port = await freePort();
  const deployed = await readFile(new URL('../../deploy/nginx.conf', import.meta.url), 'utf8');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const conf = deployed
    .replaceAll('node1:3006', `127.0.0.1:${nodePorts[0]}`)
    .replaceAll('node2:3006', `127.0.0.1:${nodePorts[1]}`)
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replace('worker_processes auto;', 'worker_processes 1;')
    .replace('worker_shutdown_timeout 30s;', 'worker_shutdown_timeout 1s;')
    // Bodies and answers that do not fit in memory go into `place`, which is ours alone.
    .replace(
      'worker_processes 1;',
      `worker_processes 1;${process.getuid?.() === 0 ? '\nuser root;' : ''}`,
    )
    // What a machine that runs tests may not grant.
    .replace('worker_rlimit_nofile 65536;', '')
    .replace('worker_connections 16384;', 'worker_connections 2048;')
    .replace(
      'http {',
      `http {\n${temporary.map((name) => `  ${name}_temp_path ${place}/${name};`).join('\n')}`,
    );
  await mkdir(join(place, 'logs'));
  await writeFile(join(place, 'nginx.conf'), conf);
  const child: ChildProcess = spawn(
    binary,
    [
      '-p',
      place,
      '-c',
      'nginx.conf',
      '-e',
      'error.log',
      '-g',
      `daemon off; pid ${place}/nginx.pid;`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const killAtExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    process.off('exit', killAtExit);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(place, { recursive: true, force: true });
  };
  try {
    await waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`nginx has ended: ${complaint}`);
        return (await fetch(`${url}/health`)).ok;
      },
      { what: 'nginx', timeoutMs: 20_000 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    reload: () => void child.kill('SIGHUP'),
    async failures() {
      const log = await readFile(join(place, 'error.log'), 'utf8');
      return log.split('\n').filter((line) => /upstream/.test(line));
    },
    stop,
  };
}
