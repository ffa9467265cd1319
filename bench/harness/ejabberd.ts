/**
 * ejabberd as a child process of the bench, set by baselines/ejabberd.yml: a directory of its own for
 * all it writes, a port of its own, a node without a name, so that there is no epmd and no cookie. It
 * ends, and takes its directory along, when its standard input does: also when the bench is killed.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { descendantsOf, residentBytesOf } from '../load/proc.ts';
import { type Child, startProgram } from './child.ts';
import type { Server } from './server.ts';
import type { Tree } from './tree.ts';

/** The name of the subject, and of its configuration in baselines/. */
export const EJABBERD = 'ejabberd';
export const HOW_TO_GET_EJABBERD = 'Debian: apt-get install ejabberd erlang-p1-pgsql';

export interface Ejabberd {
  version: string;
  /** Where Erlang finds it. */
  libraries: string;
  /** Its tables, as SQL for PostgreSQL. */
  schema: string;
}

const CONTROL = '/usr/sbin/ejabberdctl';
const SCHEMA = '/usr/share/ejabberd/sql/pg.sql';
const ERLANG_LIBRARIES = '/usr/lib/erlang/lib';
const START_MS = 60_000;
const ANSWER_MS = 60_000;

/** What Debian's packages have put where; null: not all that is needed is there. */
export function findEjabberd(): Ejabberd | null {
  try {
    const libraries = /^ERL_LIBS='(.+)'$/m.exec(readFileSync(CONTROL, 'utf8'))?.[1] ?? '';
    const found = [...readdirSync(libraries), ...readdirSync(ERLANG_LIBRARIES)];
    const version = found.find((name) => name.startsWith('ejabberd-'))?.slice('ejabberd-'.length);
    if (version === undefined || !found.some((name) => name.startsWith('p1_pgsql-'))) return null;
    return { version, libraries, schema: readFileSync(SCHEMA, 'utf8') };
  } catch {
    return null; // not installed, or not by Debian
  }
}

/**
 * One scheduler for Erlang code and one for long native calls: as the event loop of every other
 * server here it has one core, and threads for what would block it. They sleep when there is nothing
 * to do: busy waiting, Erlang's default, would count as CPU time and take the cores from PostgreSQL.
 * The rest is what `ejabberdctl` sets.
 */
const SCHEDULERS = ['+S', '1:1', '+SDcpu', '1:1'];
const SLEEPING = ['+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none'];
const RUNTIME = [...SCHEDULERS, ...SLEEPING, '+K', 'true', '+P', '250000'];
const MAX_PORTS = '32000';

/**
 * Says where it listens, then answers each line with its memory after a garbage collection of all
 * processes. Without a question there it costs nothing.
 */
const PROBE = (directory: string): string => `
  [Port | _] = [P || S <- erlang:ports(), erlang:port_info(S, name) =:= {name, "tcp_inet"},
    element(1, inet:peername(S)) =:= error, {ok, P} <- [inet:port(S)]],
  io:format("ejabberd listens on port ~p~n", [Port]),
  spawn(fun Answer() ->
    case io:get_line("") of
      Question when is_list(Question) ->
        [erlang:garbage_collect(P) || P <- erlang:processes()],
        io:format("~s: ~p bytes~n", [string:trim(Question), erlang:memory(total)]),
        Answer();
      _ ->
        file:del_dir_r("${directory}"),
        halt(0, [{flush, false}])
    end
  end).`;

/** @throws Error with what it wrote when it does not start */
export async function startEjabberd(
  { libraries }: Ejabberd,
  tree: Pick<Tree, 'directory'>,
  databaseUrl: string,
): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'messaging-bench-ejabberd-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const config = join(directory, 'ejabberd.yml');
    const text = readFileSync(join(tree.directory, 'bench/baselines/ejabberd.yml'), 'utf8');
    writeFileSync(config, configFor(text, new URL(databaseUrl)));
    const child = startProgram(
      'erl',
      [
        ...['-noshell', ...RUNTIME, '-mnesia', 'dir', JSON.stringify(join(directory, 'mnesia'))],
        ...['-s', 'ejabberd', '-eval', PROBE(directory)],
      ],
      {
        HOME: directory,
        ERL_LIBS: libraries,
        ERL_MAX_PORTS: MAX_PORTS,
        ERL_CRASH_DUMP: join(directory, 'crash'),
        EJABBERD_CONFIG_PATH: config,
        EJABBERD_LOG_PATH: join(directory, 'ejabberd.log'),
      },
      directory,
    );
    try {
      const [, port] = await child.says(/ejabberd listens on port (\d+)/, START_MS);
      return server(Number(port), child, remove);
    } catch (error) {
      await child.stop('SIGKILL');
      throw error;
    }
  } catch (error) {
    remove();
    throw error;
  }
}

/** JSON strings are YAML's too. */
function configFor(text: string, url: URL): string {
  const values: Record<string, string | number> = {
    server: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || 5432,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
  };
  return text.replaceAll(/\$\{(\w+)\}/g, (_all, name: string) => JSON.stringify(values[name]));
}

function server(port: number, child: Child, remove: () => void): Server {
  let asked = 0;
  /** Profiles are Node's. */
  const noProfile = () => Promise.resolve();
  return {
    name: EJABBERD,
    port,
    pid: child.pid,
    // What it has started for lookups and the like.
    pids: [child.pid, ...descendantsOf(child.pid)],
    residentBytes: () => residentBytesOf(child.pid),
    async memory() {
      asked += 1;
      const answer = new RegExp(`memory ${asked}: (\\d+) bytes`);
      child.process.stdin?.write(`memory ${asked}\n`);
      const [, bytes] = await child.says(answer, ANSWER_MS);
      const rss = residentBytesOf(child.pid);
      return { rss, heapUsed: Number(bytes), external: 0, arrayBuffers: 0 };
    },
    startProfile: noProfile,
    stopProfile: noProfile,
    async stop() {
      // Nothing of it is wanted any more: not in order, and at once.
      await child.stop('SIGKILL');
      remove();
    },
  };
}
