/**
 * Writes the types that clients take, `packages/events/`: what `src/chat/client-types.ts` says, with the
 * schemas written out, so that nothing of the service is needed to read them. One text under two names:
 * TypeScript resolves `socket.io-client` from an ES module and from a CommonJS one to different files.
 *
 *     npm run types:events
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TSchema } from '@sinclair/typebox';
import { errorCatalogue } from '../src/chat/errors.ts';
import { acknowledgements, clientEvents, serverEvents } from '../src/chat/events.ts';
import * as schemas from '../src/chat/schemas.ts';

const ROOT = new URL('../', import.meta.url);
const PLACE = new URL('packages/events/', ROOT);
export const EVENT_TYPE_FILES = ['index.d.mts', 'index.d.cts'] as const;

const HEAD = `/**
 * The events and messages of messaging-service, for TypeScript. Types only; nothing here exists at run time.
 * Made by \`npm run types:events\` from the schemas the service checks with. Do not edit.
 */
`;

/** The shapes that have a name of their own, those of REST included. */
const named = new Map<string, TSchema>(
  Object.values<unknown>(schemas)
    .filter((value): value is TSchema => isSchema(value) && value.$id !== undefined)
    .map((schema) => [schema.$id ?? '', schema]),
);

/** Their names by what is in them: a shape that is used within another one has no name there. */
const namesByContent = new Map(
  [...named].map(([name, { properties }]) => [JSON.stringify(properties), name]),
);

function isSchema(value: unknown): value is TSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value}'` : JSON.stringify(value);

const indented = (text: string): string => text.replaceAll('\n', '\n  ');

/** TypeScript's type of what `schema` accepts. */
function typeOf(schema: TSchema): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(typeOf).join(' | ');
  if ('const' in schema) return literal(schema.const);
  const words = schema['x-extensible-enum'];
  if (Array.isArray(words)) return words.map(literal).join(' | ');
  if (Array.isArray(schema.type)) {
    return schema.type.map((type: string) => typeOf({ ...schema, type })).join(' | ');
  }
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `${typeOf(schema.items)}[]`;
    case 'object':
      return namesByContent.get(JSON.stringify(schema.properties)) ?? members(schema);
    case undefined:
      return 'unknown';
    default:
      throw new Error(`There is no way to write ${JSON.stringify(schema)} as a type.`);
  }
}

function members(schema: TSchema): string {
  const properties: Record<string, TSchema> = schema.properties ?? {};
  const required: string[] = schema.required ?? [];
  const lines = Object.entries(properties).map(([name, property]) => {
    const told = property.description === undefined ? '' : `/** ${property.description}. */\n`;
    return `${told}${name}${required.includes(name) ? '' : '?'}: ${typeOf(property)};`;
  });
  if (lines.length === 0) return 'Record<never, never>';
  return `{\n  ${indented(lines.join('\n'))}\n}`;
}

function table(name: string, told: string, of: Record<string, TSchema>): string {
  const lines = Object.entries(of).map(([event, schema]) => `${event}: ${typeOf(schema)};`);
  return `/** ${told} */\nexport interface ${name} {\n  ${indented(lines.join('\n'))}\n}\n`;
}

/** What `client-types.ts` says itself: without what it takes from elsewhere, which stands above it here. */
function ownTypes(): string {
  return readFileSync(new URL('src/chat/client-types.ts', ROOT), 'utf8')
    .replace(/^\/\*\*[\s\S]*?\*\/\n/, '')
    .replace(/^import type [^;]*;\n/gm, '')
    .replace(/^export type \{[^;]*;\n/gm, '')
    .trim();
}

/** The text of the files. */
export function eventTypes(): string {
  const shapes = [...named].map(([name, schema]) => `export interface ${name} ${members(schema)}`);
  return [
    HEAD,
    "import type { Socket } from 'socket.io-client';\n",
    `export type MessageType = ${typeOf(schemas.MessageType)};`,
    `export type MessageStatus = ${typeOf(schemas.Message.properties.status)};\n`,
    `${shapes.join('\n\n')}\n`,
    `export type ErrorCode =\n  | ${Object.keys(errorCatalogue).map(literal).join('\n  | ')};\n`,
    `export interface ErrorBody {
  code: ErrorCode;
  message: string;
  /** What is wrong with which field. */
  details?: Record<string, string>;
  /** Whole seconds after which trying again makes sense; with rate_limited and unavailable. */
  retry_after?: number;
}\n`,
    table('ClientEventPayloads', 'What a client sends with each event.', clientEvents),
    table('Answers', 'The data each of them is acknowledged with.', acknowledgements),
    table('ServerEventPayloads', 'What the service sends with each event.', serverEvents),
    'export type ClientEvent = keyof ClientEventPayloads;',
    'export type ClientEventPayload<E extends ClientEvent> = ClientEventPayloads[E];',
    'export type Acknowledged<E extends ClientEvent> = Answers[E];',
    'export type ServerEvent = keyof ServerEventPayloads;',
    'export type ServerEventPayload<E extends ServerEvent> = ServerEventPayloads[E];\n',
    `${ownTypes()}\n`,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of EVENT_TYPE_FILES) writeFileSync(new URL(name, PLACE), eventTypes());
  copyFileSync(new URL('LICENSE', ROOT), new URL('LICENSE', PLACE));
}
