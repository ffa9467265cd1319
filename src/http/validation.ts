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
    const value = isText ? Value.Default(schema, Value.Convert(schema, given)) : given;
    if (check.Check(value)) return { value };
    const first = check.Errors(value).First();
    const field = first?.path.slice(1).replaceAll('/', '.') || (httpPart ?? 'request');
    const details = { [field]: first?.message ?? 'is not valid' };
    return { error: new ChatError('invalid_request', `${field} is not valid.`, details) };
  };
}

function isTypeBoxSchema(schema: unknown): schema is TSchema {
  return typeof schema === 'object' && schema !== null && Kind in schema;
}
