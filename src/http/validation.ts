/**
 * Validation by the TypeBox schemas, as on the sockets. Texts of the path and the query are converted
 * to what the schema says and get its defaults; bodies are taken as they are.
 */
import { Kind, type TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { createInputReader } from '../chat/input.ts';

/** The validator for one part of a route's requests, as Fastify's `setValidatorCompiler` takes it. */
export function compileValidator({
  schema,
  httpPart,
}: {
  schema: unknown;
  httpPart?: string | undefined;
}) {
  if (!isTypeBoxSchema(schema)) throw new Error('every schema of a route is a TypeBox schema');
  const read = createInputReader(schema, { whole: httpPart ?? 'request' });
  if (httpPart === 'body') return read;
  return (given: unknown) => read(Value.Default(schema, fromText(schema, given)));
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
