/** The sources that are held to arrows and habits, and what they import. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** From the root of the repository. */
  name: string;
  text: string;
}

export interface Import {
  from: string;
  /** As `Source.name` when it is a file of this repository, else a package. */
  to: string;
  isFile: boolean;
  typeOnly: boolean;
}

/** @param directory from the root of the repository */
export function sourcesBelow(directory: string): Source[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:[jt]s|mjs|tsx)$/.test(name))
    .map((name) => join(directory, name))
    .map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));
}

/** The lines of a text without its comments. */
const codeOf = (text: string): string[] =>
  text.split('\n').map((line) => line.replace(/^\s*(?:\/\*\*?|\*|\/\/).*$/, ''));

/** Where the code has what `pattern` finds, as `file:line`. */
export const placesOf = (sources: readonly Source[], pattern: RegExp): string[] =>
  sources.flatMap(({ name, text }) =>
    codeOf(text).flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}`] : [])),
  );

/** The names of the files whose code has what `pattern` finds. */
export const filesWith = (sources: readonly Source[], pattern: RegExp): string[] =>
  sources
    .filter(({ text }) => codeOf(text).some((line) => pattern.test(line)))
    .map(({ name }) => name)
    .sort();

export function importsOf({ name, text }: Source): Import[] {
  const pattern =
    /^(?:import|export)\s+(type\s+)?([^;]*?)\s*from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const specifier = match[3] ?? match[4] ?? match[5] ?? '';
    const names = match[2] ?? '';
    const braces = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
    const allTypes = braces?.split(',').every((part) => /^\s*(type\s|$)/.test(part)) ?? false;
    const isFile = specifier.startsWith('.');
    const to = isFile ? relative(ROOT, resolve(ROOT, dirname(name), specifier)) : specifier;
    return { from: name, to, isFile, typeOnly: match[1] !== undefined || allTypes };
  });
}
