/** The programs of `docs/never-lose-a-message.md`: taken out of the page, and a person who sits at one of them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeBlocks, ROOT, read } from './markdown.ts';

export interface Program {
  name: string;
  file: string;
  /** As its block of code says. */
  language: string;
  /** The command that shows the conversation. */
  follow: string[];
  /** The command that sends a text; null: `follow` takes it from its input. */
  send: ((text: string) => string[]) | null;
  /** The command that sends what is left after a start; null: `follow` does. */
  flush: string[] | null;
  /** Where it keeps what is to be sent: a file, or a folder. */
  outbox: string;
  /** Whether it hears that the database has gone back. */
  hearsResync: boolean;
  /** What this machine lacks to run it; null: nothing. */
  lacks: string | null;
}

const python = ['python3', '/usr/bin/python3'].find((command) => {
  try {
    execFileSync(command, ['-c', 'import socketio, aiohttp'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});
const folders = (process.env.PATH ?? '').split(':');
const missing = ['curl', 'jq', 'flock'].filter(
  (command) => !folders.some((folder) => existsSync(join(folder, command))),
);

export const PROGRAMS: readonly Program[] = [
  {
    name: 'TypeScript',
    file: 'chat.ts',
    language: 'ts',
    follow: [process.execPath, '--import', 'tsx', 'chat.ts'],
    send: null,
    flush: null,
    outbox: 'chat.json',
    hearsResync: true,
    lacks: null,
  },
  {
    name: 'Python',
    file: 'chat.py',
    language: 'python',
    follow: [python ?? '', 'chat.py'],
    send: null,
    flush: null,
    outbox: 'chat.json',
    hearsResync: true,
    lacks: python === undefined ? 'python3-socketio and python3-aiohttp' : null,
  },
  {
    name: 'curl',
    file: 'chat.sh',
    language: 'sh',
    follow: ['sh', 'chat.sh', 'follow'],
    send: (text) => ['sh', 'chat.sh', 'send', text],
    flush: ['sh', 'chat.sh', 'flush'],
    outbox: 'chat/outbox',
    hearsResync: false,
    lacks: missing.length > 0 ? missing.join(', ') : null,
  },
];

/** Writes the programs, as they stand in the guide, into `place`, with what they import. */
export function takeOut(place: string): void {
  const modules = join(place, 'node_modules');
  mkdirSync(modules);
  for (const name of ['socket.io-client', 'tsx', '@types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  symlinkSync(join(ROOT, 'packages/events'), join(modules, 'messaging-service-events'));
  writeFileSync(join(place, 'package.json'), '{"type":"module"}');
  const guide = read('docs/never-lose-a-message.md');
  for (const { file, language } of PROGRAMS) {
    const code = codeBlocks(guide, language).find((block) => /^\S+ chat\.\w+/.test(block));
    if (code === undefined) throw new Error(`the guide has no ${file}`);
    writeFileSync(join(place, file), code);
  }
}

/**
 * A person at a program that was taken out into `place`, and keeps its things in `folder`.
 *
 * @param env what the program is told, beside where it keeps things
 */
export function atTheProgram(
  program: Program,
  { place, folder, env }: { place: string; folder: string; env: Record<string, string> },
) {
  const running = new Set<ChildProcess>();
  let follower: ChildProcess | undefined;
  let output = '';
  let complaints = '';

  function run([command = '', ...args]: string[]): ChildProcess {
    const child = spawn(command, args, {
      cwd: place,
      // A group of its own: a shell has children.
      detached: true,
      env: {
        PATH: process.env.PATH,
        STATE: join(folder, program.outbox.split('/')[0] ?? ''),
        ...env,
      },
    });
    running.add(child);
    child.on('close', () => running.delete(child));
    // It may be gone before it has read what was typed.
    child.stdin.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    return child;
  }

  function outbox(): string {
    const path = join(folder, program.outbox);
    if (!existsSync(path)) return '';
    if (path.endsWith('.json')) {
      const { outbox } = JSON.parse(readFileSync(path, 'utf8'));
      return outbox.length === 0 ? '' : JSON.stringify(outbox);
    }
    return readdirSync(path)
      .map((name) => readFileSync(join(path, name), 'utf8'))
      .join('');
  }

  return {
    outbox,
    /** The lines it has shown, over all its starts. */
    shown: () => output.split('\n').slice(0, -1),
    complaints: () => complaints,
    start(): void {
      follower = run(program.follow);
      if (program.flush !== null) run(program.flush);
    },
    type(text: string): void {
      if (program.send === null) follower?.stdin?.write(`${text}\n`);
      else run(program.send(text));
    },
    /** SIGKILL; resolves when nothing of it runs any more. */
    async kill(): Promise<void> {
      await Promise.all(
        [...running].map(async (child) => {
          const ended = once(child, 'close');
          process.kill(-(child.pid ?? 0), 'SIGKILL');
          await ended;
        }),
      );
    },
  };
}
