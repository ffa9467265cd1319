/**
 * Why the native binary of uWebSockets.js does not load, in one sentence that is true of the machine
 * at hand. Read from what the loader said: the binaries of different Nodes need different C libraries,
 * and the next release may need others.
 */

/** The facts of the machine that the sentence depends on. */
export interface Machine {
  /** Version of Node, as in `process.versions.node`. */
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  /** Version of the GNU C library, null where there is another one or none. */
  readonly glibc: string | null;
}

/** The last Node whose binary runs on the C libraries of older distributions. */
const OLD_GLIBC_NODE = 20;

/** The sentence for what loading the binary threw. @param machine left out: this one */
export function loadFailure(cause: unknown, machine: Machine = thisMachine()): string {
  const { node, platform, arch, glibc } = machine;
  const text = cause instanceof Error ? cause.message : String(cause);
  const subject = `uWebSockets.js for Node ${node} on ${platform} ${arch}`;
  const missing = /Cannot find module '[^']*\/(uws_[^'/]+)'/.exec(text)?.[1];
  if (missing !== undefined) return `${subject} does not exist: its package has no ${missing}`;
  if (platform === 'linux' && glibc === null) {
    return `${subject} needs the GNU C library, and this system has another one (Alpine has musl)`;
  }
  const needed = /GLIBC_(\d+\.\d+)' not found/.exec(text)?.[1];
  if (needed !== undefined) {
    const instead =
      Number.parseInt(node, 10) > OLD_GLIBC_NODE ? `, or Node ${OLD_GLIBC_NODE} here` : '';
    return `${subject} needs glibc ${needed}, and this system has ${glibc}: run it on Debian 13 or Ubuntu 24.04${instead}`;
  }
  return `${subject} does not load: ${reasonIn(text)}`;
}

/** The library puts a paragraph of its own before the loader's words, `require` a list after them. */
function reasonIn(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.find((line) => /^\w*Error: /.test(line)) ??
    lines.at(-1) ??
    'unknown reason'
  ).trim();
}

function thisMachine(): Machine {
  const { platform, arch, versions } = process;
  return { node: versions.node, platform, arch, glibc: glibcVersion() };
}

function glibcVersion(): string | null {
  const report: unknown = process.report?.getReport();
  if (typeof report !== 'object' || report === null || !('header' in report)) return null;
  const { header } = report;
  if (typeof header !== 'object' || header === null) return null;
  return 'glibcVersionRuntime' in header ? String(header.glibcVersionRuntime) : null;
}
