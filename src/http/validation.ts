/**
 * Validation by the TypeBox schemas, as on the sockets. Texts of the path and the query are converted
 * to what the schema says and get its defaults; bodies are taken as they are.
 */
import { Kind, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { RouteOptions } from 'fastify';
import { createInputReader } from '../chat/input.ts';
import { noSuchRoute } from './errors.ts';

/** The validator for one part of a route's requests, as Fastify's `setValidatorCompiler` takes it. */
export function compileValidator({
  schema,
  url,
  httpPart,
}: {
  schema: unknown;
  url?: string | undefined;
  httpPart?: string | undefined;
}) {
  if (!isTypeBoxSchema(schema)) throw new Error('every schema of a route is a TypeBox schema');
  const words = { whole: httpPart ?? 'request' };
  if (httpPart === 'body') return createInputReader(schema, words);
  const read = createInputReader(schema, words, (given) =>
    Value.Default(schema, fromText(schema, given)),
  );
  if (httpPart !== 'params' || !url?.startsWith(OF_CONVERSATION)) return read;
  return (given: unknown) => {
    const reading = read(given);
    const isReserved = 'error' in reading && reading.error.details?.[CONVERSATION] !== undefined;
    return isReserved ? { error: noSuchRoute() } : reading;
  };
}

/** What stands there and is no UUID is a word for a route to come, or one that was misspelt. */
const CONVERSATION = 'conversationId';
const OF_CONVERSATION = `/messages/:${CONVERSATION}`;

/** The query of a route that takes none. */
const NoQuery = Type.Object({}, { additionalProperties: false });

/**
 * For Fastify's `onRoute`: its queries have no parameters but those of the schema, so that one misspelt is not
 * taken for one left out. It is closed here: what we publish may grow.
 */
export function closeQuery(route: RouteOptions): void {
  const { querystring = NoQuery, ...others } = route.schema ?? {};
  if (!isTypeBoxSchema(querystring)) throw new Error('every schema of a route is a TypeBox schema');
  route.schema = { ...others, querystring: { ...querystring, additionalProperties: false } };
}

/** Whole numbers as such; TypeBox's own conversion would also round 1.5 and read "true" as 1. */
function fromText(schema: TSchema, given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given;
  const properties: Record<string, TSchema> = schema.properties ?? {};
  return Object.fromEntries(
    Object.entries(given).map(([name, text]) => {
      const isCount = Object.hasOwn(properties, name) && properties[name]?.type === 'integer';
      return [name, isCount && /^-?\d{1,16}$/.test(String(text)) ? Number(text) : text];
    }),
  );
}

function isTypeBoxSchema(schema: unknown): schema is TSchema {
  return typeof schema === 'object' && schema !== null && Kind in schema;
}
