/**
 * The architecture as data: which layer may import which. A layer is a directory, or a file that stands
 * beside the directories. Another edge, a layer without a line here, or a cycle fails arrows.test.ts.
 */

/** Layer → layers it may import at run time. `types` names those it may only import types of. */
export type Arrows = Record<string, { runtime: string[]; types?: string[] }>;

/** The service; its layers have no directory in front of their names, here and elsewhere. */
const SERVICE: Arrows = {
  'main.ts': { runtime: ['refuse-unsupported-node.js'] },
  'service.ts': {
    runtime: [
      'app.ts',
      'config.ts',
      'log.ts',
      'package-facts.ts',
      'platform.js',
      'prerequisites.ts',
      'process-end.ts',
      'embedded',
      'realtime',
      'shared',
      'store',
      'workers',
    ],
  },
  'cli.ts': {
    runtime: [
      'main.ts',
      'config.ts',
      'package-facts.ts',
      'refuse-unsupported-node.js',
      'doctor',
      'shared',
      'store',
    ],
  },
  'package-facts.ts': { runtime: [] },
  'platform.js': { runtime: [] },
  'process-end.ts': { runtime: ['shared'], types: ['log.ts'] },
  'refuse-unsupported-node.js': { runtime: ['platform.js'] },
  'descriptors.ts': { runtime: [], types: ['config.ts'] },
  'realtime-settings.ts': {
    runtime: ['chat', 'descriptors.ts', 'realtime'],
    types: ['config.ts', 'log.ts'],
  },
  doctor: {
    runtime: [
      'auth',
      'descriptors.ts',
      'platform.js',
      'prerequisites.ts',
      'realtime',
      'redis',
      'shared',
      'store',
      'workers',
    ],
    types: ['config.ts'],
  },
  'prerequisites.ts': {
    runtime: ['auth', 'embedded', 'peers', 'realtime'],
    types: ['config.ts'],
  },
  'app.ts': {
    runtime: [
      'audience',
      'auth',
      'chat',
      'delivery',
      'draining.ts',
      'http',
      'http-door.ts',
      'limits',
      'metrics',
      'other-nodes.ts',
      'ports.ts',
      'realtime',
      'realtime-settings.ts',
      'shared',
      'store',
    ],
    types: ['config.ts', 'log.ts', 'workers'],
  },
  'other-nodes.ts': {
    runtime: ['bus', 'peers', 'realtime-settings.ts', 'redis', 'shared'],
    types: ['config.ts', 'log.ts'],
  },
  'http-door.ts': {
    runtime: ['auth', 'http', 'store'],
    types: ['config.ts', 'metrics', 'realtime', 'shared', 'workers'],
  },
  'draining.ts': {
    runtime: ['shared'],
    types: [
      'audience',
      'bus',
      'chat',
      'delivery',
      'http-door.ts',
      'limits',
      'peers',
      'ports.ts',
      'realtime',
      'redis',
      'store',
    ],
  },
  'config.ts': { runtime: ['config-rules.ts', 'environment.ts', 'shared'] },
  'config-rules.ts': { runtime: ['shared'], types: ['environment.ts'] },
  'ports.ts': { runtime: ['http', 'realtime'], types: ['config.ts'] },
  'environment.ts': { runtime: [] },
  'log.ts': { runtime: [] },
  bounds: { runtime: [] },
  shared: { runtime: [] },
  protocol: { runtime: ['shared'] },
  chat: { runtime: ['shared'] },
  redis: { runtime: [], types: ['shared'] },
  bus: { runtime: ['redis', 'shared'] },
  store: { runtime: ['chat', 'shared'], types: ['config.ts'] },
  auth: { runtime: ['chat', 'shared'] },
  limits: { runtime: ['chat', 'shared'], types: ['redis'] },
  realtime: { runtime: ['protocol', 'shared'] },
  peers: { runtime: ['realtime', 'shared'], types: ['redis'] },
  // What the rules announce, in their words: it carries them out and asks them nothing.
  audience: { runtime: ['bus', 'protocol', 'shared'], types: ['chat', 'realtime'] },
  delivery: {
    runtime: ['audience', 'chat', 'realtime', 'shared'],
    types: ['auth'],
  },
  metrics: {
    runtime: ['chat', 'realtime'],
    types: ['audience', 'bus', 'delivery', 'limits', 'peers', 'shared', 'store'],
  },
  http: { runtime: ['chat', 'shared'], types: ['auth', 'realtime', 'log.ts'] },
  embedded: { runtime: [] },
  workers: { runtime: ['chat', 'metrics', 'shared'], types: ['config.ts', 'log.ts'] },
};

/** Names and numbers, which import nothing: every layer of the service may read its own there. */
export const FOR_THE_SERVICE = 'bounds';

/** The page speaks to the service from outside: it knows its types, and none of its code. */
const PAGE: Arrows = {
  'main.tsx': { runtime: ['view'] },
  view: { runtime: ['client', 'thread', 'wire'] },
  client: { runtime: ['thread', 'wire'] },
  wire: { runtime: [] },
  thread: { runtime: [] },
};

/** The files of the page are few: what they are is said here, what is not said is a view. */
const PAGE_FILES: Record<string, string[]> = {
  'main.tsx': ['main.tsx'],
  client: ['chat-client.ts', 'receipts.ts', 'sender.ts', 'turns.ts'],
  wire: ['line.ts', 'rest.ts'],
  thread: ['thread.ts', 'outbox.ts', 'format.ts'],
};

const BENCHES: Arrows = {
  'run.ts': { runtime: ['harness', 'options.ts', 'suite'] },
  'options.ts': { runtime: ['benches', 'harness'], types: ['suite'] },
  // Runs benches, compares trees, writes the report.
  suite: { runtime: ['benches', 'harness', 'load', 'report'] },
  report: { runtime: ['harness'] },
  benches: { runtime: ['harness', 'load'] },
  // Each run by itself, from the command line or as a process of a bench.
  programs: {
    runtime: ['harness', 'load', 'src/bounds', 'src/protocol', 'src/shared', 'src/store'],
  },
  harness: { runtime: ['load', 'src/embedded'], types: ['src/store'] },
  // Processes of their own: what makes the load, and what the product is compared with.
  load: { runtime: [] },
  baselines: {
    runtime: [
      'src/auth',
      'src/bounds',
      'src/chat',
      'src/config.ts',
      'src/http',
      'src/limits',
      'src/log.ts',
      'src/metrics',
      'src/realtime',
      'src/store',
    ],
  },
};

const SCRIPTS: Arrows = {
  'build-image.ts': { runtime: ['dockerfile.ts'] },
  'build-page.mjs': { runtime: [] },
  'check.mjs': { runtime: [] },
  'check-package.ts': { runtime: ['event-types.ts'] },
  'dockerfile.ts': { runtime: [] },
  'element-names.ts': { runtime: [] },
  'event-types.ts': { runtime: ['src/chat'] },
  'start.mjs': { runtime: [] },
  'sum-up-tests.mjs': { runtime: [] },
};

export interface Part {
  arrows: Arrows;
  /** The layer of a file, by its path in the part's directory. */
  layerOf(name: string): string;
}

const byDirectory = (name: string): string => name.split('/')[0] ?? name;

const ofPage = (name: string): string =>
  Object.entries(PAGE_FILES).find(([, files]) => files.includes(name))?.[0] ?? 'view';

/** Directory → its layers. Tests may import everything, and nothing imports them. */
export const PARTS: Record<string, Part> = {
  src: { arrows: SERVICE, layerOf: byDirectory },
  'web/src': { arrows: PAGE, layerOf: ofPage },
  bench: { arrows: BENCHES, layerOf: byDirectory },
  scripts: { arrows: SCRIPTS, layerOf: byDirectory },
};

/** Packages with one door into the service, and packages a layer of it must stay clear of. */
export const ONLY_IMPORTER: Record<string, string> = {
  'uWebSockets.js': 'realtime/uws.ts',
  'prom-client': 'metrics/',
  ws: 'peers/',
  ioredis: 'redis/',
};
export const OUT_OF_BOUNDS: Record<string, string[]> = {
  chat: ['fastify', 'uWebSockets.js', 'postgres', 'ioredis', 'pino'],
  protocol: ['fastify', 'uWebSockets.js', 'postgres', 'ioredis', 'pino', '@sinclair/typebox'],
};
