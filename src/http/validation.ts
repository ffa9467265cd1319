/**
 * Validation by the compiled TypeBox schemas, as on the sockets. Texts of the path and the query are
 * converted to what the schema says and get its defaults; bodies are taken as they are.
 */
import { Kind, type TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { Value } from '@sinclair/typebox/value';
import { ChatError } from '../chat/errors.ts';

export function compileValidator({
  schema,
  httpPart,
}: {
  schema: unknown;
  httpPart?: string | undefined;
}) {
  if (!isTypeBoxSchema(schema)) throw new Error('every schema of a route is a TypeBox schema');
  const check = TypeCompiler.Compile(schema);
  const isText = httpPart !== 'body';
  return (given: unknown): { value: unknown } | { error: Error } => {
    const value = isText ? Value.Default(schema, fromText(schema, given)) : given;
    if (check.Check(value)) return { value };
    const first = check.Errors(value).First();
    const field = first?.path.slice(1).replaceAll('/', '.') || (httpPart ?? 'request');
    const details = { [field]: first?.message ?? 'is not valid' };
    return { error: new ChatError('invalid_request', `${field} is not valid.`, details) };
  };
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
