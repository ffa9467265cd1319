/**
 * Reads the instructions of a Dockerfile, as far as this project's own one uses them, so that they can
 * be carried out and looked at without a container engine. What it does not know it refuses.
 */

/** One COPY. */
export interface Copy {
  readonly kind: 'COPY';
  /** The stage whose files are meant; null: the build context. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly destination: string;
}

export interface Run {
  readonly kind: 'RUN';
  readonly command: string;
}

export interface Stage {
  readonly base: string;
  /** Its name, or its number. */
  readonly name: string;
  /** COPY and RUN in their order. */
  readonly steps: readonly (Copy | Run)[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly user: string;
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

type Draft = { -readonly [Key in keyof Stage]: Stage[Key] };

/**
 * @throws Error naming the instruction that it does not understand
 */
export function parseDockerfile(text: string): Stage[] {
  const defaults = new Map<string, string>();
  const stages: Draft[] = [];
  for (const [instruction, rest] of instructions(text)) {
    if (instruction === 'ARG' && stages.length === 0) {
      const [name = '', value = ''] = rest.split('=');
      defaults.set(name, value);
      continue;
    }
    if (instruction === 'FROM') {
      const [image = '', , name = String(stages.length)] = rest.split(/\s+/);
      const base = image.replace(/^\$\{(\w+)\}$/, (_all, arg: string) => defaults.get(arg) ?? '');
      stages.push(emptyStage(base, name));
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`Before the first FROM: ${instruction} ${rest}`);
    apply(stage, instruction, rest);
  }
  return stages;
}

function emptyStage(base: string, name: string): Draft {
  return {
    base,
    name,
    steps: [],
    environment: {},
    workingDirectory: '/',
    user: 'root',
    command: [],
    healthCheck: [],
  };
}

function apply(stage: Draft, instruction: string, rest: string): void {
  switch (instruction) {
    case 'COPY':
      stage.steps = [...stage.steps, copyOf(rest)];
      return;
    case 'RUN':
      stage.steps = [...stage.steps, { kind: 'RUN', command: rest }];
      return;
    case 'ENV': {
      const [, name = '', value = ''] = /^(\w+)=(\S+)$/.exec(rest) ?? refuse(instruction, rest);
      stage.environment = { ...stage.environment, [name]: value };
      return;
    }
    case 'WORKDIR':
      stage.workingDirectory = rest;
      return;
    case 'USER':
      stage.user = rest;
      return;
    case 'CMD':
      stage.command = listOf(rest);
      return;
    case 'HEALTHCHECK':
      stage.healthCheck = listOf(/ CMD (\[.*)$/.exec(rest)?.[1] ?? refuse(instruction, rest));
      return;
    case 'EXPOSE': // A note to readers; it does nothing.
      return;
    default:
      refuse(instruction, rest);
  }
}

function copyOf(rest: string): Copy {
  const words = rest.split(/\s+/);
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1] ?? null;
  const paths = from === null ? words : words.slice(1);
  const destination = paths.at(-1);
  if (
    destination === undefined ||
    paths.length < 2 ||
    paths.some((path) => path.startsWith('--'))
  ) {
    return refuse('COPY', rest);
  }
  return { kind: 'COPY', from, sources: paths.slice(0, -1), destination };
}

function listOf(text: string): string[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return refuse('a list', text);
  return list.map(String);
}

function refuse(instruction: string, rest: string): never {
  throw new Error(`Not understood in the Dockerfile: ${instruction} ${rest}`);
}

/** Lines with their continuations joined, without comments: also those between continued lines. */
function instructions(text: string): [instruction: string, rest: string][] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => {
      const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? refuse(line, '');
      return [instruction, rest];
    });
}
