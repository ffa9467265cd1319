/** The pages name everything a caller may send, hear, be refused with and set; and nothing else. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../src/chat/errors.ts';
import { acknowledgements, clientEvents, serverEvents } from '../../src/chat/events.ts';
import { Conversation, ConversationSummary, Message } from '../../src/chat/schemas.ts';
import { ROOT, read, section } from './markdown.ts';

/** The cells of a table's rows, by what stands in backticks in the first one (several: a row each). */
function rows(markdown: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('| ')) continue;
    const cells = line.slice(2, -2).split(/(?<!\\)\|/);
    for (const [, name = ''] of (cells[0] ?? '').matchAll(/`([^`]+)`/g)) {
      found.set(name, cells.slice(1));
    }
  }
  return found;
}

const names = (record: object): string[] => Object.keys(record).sort();
const fieldsOf = (schema: object): string[] =>
  'properties' in schema ? Object.keys(schema.properties as object) : [];
const messageFields = fieldsOf(Message);
const conversationFields = fieldsOf(Conversation);
const lacks = (text: string, fields: readonly string[]): string[] =>
  fields.filter((field) => !new RegExp(`\\b${field}\\b`).test(text));

/** The calls in a table's first column, or in any; one without a method is a GET: `GET /docs`, `/docs/json`. */
function callsIn(
  markdown: string,
  isCell: (cell: number) => boolean = (cell) => cell === 0,
): string[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .flatMap((line) =>
      line
        .slice(2)
        .split(' | ')
        .filter((_, n) => isCell(n)),
    )
    .flatMap((cell) => {
      // `PUT`, `DELETE /path` are two calls of one path.
      const spelt = [...cell.matchAll(/`(?:([A-Z]+) ?)?(\/[^`?]*)?[^`]*`/g)];
      const [path] = spelt.flatMap(([, method, own]) => (method && own ? [own] : []));
      return spelt
        .filter(([, method, own]) => method !== undefined || own !== undefined)
        .map(([, method = 'GET', own]) => `${method} ${own ?? path}`);
    });
}

/** Every route that the service has of itself, as `GET /health`. */
const routes = readdirSync(join(ROOT, 'src/http'))
  .filter((file) => /routes?\.ts$/.test(file))
  .flatMap((file) => [
    ...read(`src/http/${file}`).matchAll(/\.(get|post|put|patch|delete)\(\s*'(\/[^']*)'/g),
  ])
  .map(([, method = '', path]) => `${method.toUpperCase()} ${path}`)
  .filter((route, n, all) => all.indexOf(route) === n);

describe('the map in the README', () => {
  const map = section(read('README.md'), 'A map of the API');

  it('has every event that a client sends', () => {
    expect(lacks(map, names(clientEvents))).toEqual([]);
  });

  it('has every call about people and messages', () => {
    const calls = callsIn(map, (cell) => cell > 0);
    const lacking = routes.filter((route) => / \/messages/.test(route) && !calls.includes(route));
    expect(lacking).toEqual([]);
  });
});

describe('docs/socket-io.md', () => {
  const page = read('docs/socket-io.md');
  const sent = rows(section(page, 'What a client sends').split('### ')[0] ?? '');
  const heard = rows(section(page, 'What the service sends'));

  it('has every event there is', () => {
    expect([...sent.keys()].sort()).toEqual(names(clientEvents));
    expect([...heard.keys()].sort()).toEqual(names(serverEvents));
  });

  it.each(Object.entries(clientEvents))('has every field of %s', (event, schema) => {
    const [payload = ''] = sent.get(event) ?? [];
    expect(lacks(payload, fieldsOf(schema))).toEqual([]);
  });

  it.each(Object.entries(acknowledgements))('has the answer to %s', (event, schema) => {
    const [, answer = ''] = sent.get(event) ?? [];
    const described = answer.includes('#a-message') ? messageFields : [];
    const others = fieldsOf(schema).filter((field) => !described.includes(field));
    expect(lacks(answer, others)).toEqual([]);
  });

  it.each(Object.entries(serverEvents))('has every field of %s', (event, schema) => {
    const [payload = ''] = heard.get(event) ?? [];
    const described = payload.includes('#a-message')
      ? messageFields
      : payload.includes('#a-conversation')
        ? conversationFields
        : [];
    const others = fieldsOf(schema).filter((field) => !described.includes(field));
    expect(lacks(payload, others)).toEqual([]);
  });

  it('has the other spelling of every key, and no more', () => {
    const keys = new Set(Object.values(clientEvents).flatMap(fieldsOf));
    const spellings = [...keys]
      .filter((key) => key.includes('_'))
      .map((key) => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
    const [, listed = ''] = /camelCase spellings are accepted too \(([^)]*)\)/.exec(page) ?? [];
    expect([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(
      spellings.sort(),
    );
  });

  it('has every field of a message', () => {
    expect(lacks(section(page, 'A message'), messageFields)).toEqual([]);
  });
});

describe('docs/rest.md', () => {
  const page = read('docs/rest.md');

  it('has every route, by method and path', () => {
    const calls = callsIn(section(page, 'Calls'));
    expect(routes.length).toBeGreaterThan(8);
    expect(routes.filter((route) => !calls.includes(route))).toEqual([]);
    // Those of libraries are not in our own files.
    expect(calls.filter((call) => !routes.includes(call))).toEqual([
      'GET /docs',
      'GET /docs/json',
      'GET /assets/*',
    ]);
  });

  it('has routes with methods that pages of other origins may use', () => {
    const [, allowed = ''] = /\bMETHODS = \[([^\]]*)\]/.exec(read('src/shared/cors.ts')) ?? [];
    const methods = new Set(routes.map((route) => route.split(' ')[0] ?? ''));
    expect([...methods].filter((method) => !allowed.includes(`'${method}'`))).toEqual([]);
  });

  it('has every field of a conversation', () => {
    expect(lacks(section(page, 'A conversation'), fieldsOf(ConversationSummary))).toEqual([]);
  });

  it('has every error, with its status', () => {
    const table = section(page, 'Errors');
    const listed = [...table.matchAll(/^\| (\d{3}) \| `(\w+)` \|/gm)];
    expect(listed.map(([, status, code]) => `${code} ${status}`).sort()).toEqual(
      Object.entries(errorCatalogue)
        .map(([code, { status }]) => `${code} ${status}`)
        .sort(),
    );
  });
});

describe('docs/configuration.md', () => {
  it('has every variable of .env.example, with its default', () => {
    const listed = [
      ...read('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| \S/gm),
    ];
    const known = [...read('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)];
    const assignments = (found: RegExpExecArray[]): string[] =>
      found.map(([, name, value = '']) => `${name}=${value}`);
    expect(assignments(listed)).toEqual(assignments(known));
  });
});
