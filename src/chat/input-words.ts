/**
 * What is wrong with an input, in words for people: the one place that turns the errors of TypeBox into
 * them. They say what would be right, so they are made of the schema.
 */
import { KindGuard, type TSchema } from '@sinclair/typebox';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { UUID_PATTERN } from '../shared/ids.ts';

/** What is wrong with the value, to follow its name: `is required`, `must be a UUID`. */
export function complaintOf({ type, value, schema }: ValueError): string {
  if (type === ValueErrorType.ObjectRequiredProperty) return 'is required';
  if (type === ValueErrorType.ObjectAdditionalProperties) return 'is not known';
  if (type === ValueErrorType.ArrayUniqueItems) return 'must not hold anything twice';
  return value === undefined ? 'is required' : `must be ${describe(schema)}`;
}

/** What values of `schema` are: `one of text, image, location`. */
function describe(schema: TSchema): string {
  if (KindGuard.IsUnion(schema)) return describeUnion(schema.anyOf);
  if (KindGuard.IsLiteral(schema)) return String(schema.const);
  if (KindGuard.IsNull(schema)) return 'null';
  if (KindGuard.IsBoolean(schema)) return 'true or false';
  if (KindGuard.IsInteger(schema)) return `a whole number${rangeOf(schema)}`;
  if (KindGuard.IsNumber(schema)) return `a number${rangeOf(schema)}`;
  if (KindGuard.IsArray(schema)) {
    return `a list${sizeOf(schema.minItems, schema.maxItems, 'entries')}`;
  }
  if (KindGuard.IsString(schema)) {
    if (schema.pattern === UUID_PATTERN) return 'a UUID';
    return `a text${sizeOf(schema.minLength, schema.maxLength, 'characters')}`;
  }
  return 'an object';
}

function describeUnion(members: TSchema[]): string {
  const others = members.filter((member) => !KindGuard.IsNull(member));
  const words = others.map(describe);
  const what = others.length > 1 ? `one of ${words.join(', ')}` : words.join();
  return others.length < members.length ? `${what}, or null` : what;
}

function rangeOf({ minimum, maximum }: { minimum?: number; maximum?: number }): string {
  // The largest that there is says nothing to anybody.
  const hasMost = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && hasMost) return ` from ${minimum} to ${maximum}`;
  if (hasMost) return `, at most ${maximum}`;
  return minimum === undefined ? '' : `, at least ${minimum}`;
}

function sizeOf(least: number | undefined, most: number | undefined, of: string): string {
  if (least !== undefined && most !== undefined) return ` of ${least} to ${most} ${of}`;
  if (most !== undefined) return ` of at most ${most} ${of}`;
  return least === undefined ? '' : ` of at least ${least} ${of}`;
}
