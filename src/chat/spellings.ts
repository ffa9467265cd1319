/**
 * The camelCase spellings of keys: what callers send may use them, what they are sent never does. Which
 * there are follows from a schema, so that a new field has its other spelling on both doors at once.
 */
import { isDeepStrictEqual } from 'node:util';
import { KindGuard, type TSchema } from '@sinclair/typebox';

/** The other spellings of one schema's keys. */
export interface Spellings {
  /** Whether a key of the value is spelt otherwise than its schema does. */
  areIn(given: unknown): given is Record<string, unknown>;
  /** The first key that is given in both spellings with different values; undefined: there is none. */
  conflictIn(given: Record<string, unknown>): string | undefined;
  /** A copy, its keys spelt as in the schema; keys that the schema does not know stay as they are. */
  fold(given: Record<string, unknown>): Record<string, unknown>;
}

/** null where no key of the schema has another spelling. */
export function spellingsOf(schema: TSchema): Spellings | null {
  if (!KindGuard.IsObject(schema)) return null;
  const names = new Map(
    Object.keys(schema.properties)
      .filter((key) => key.includes('_'))
      .map((key) => [camelCased(key), key]),
  );
  if (names.size === 0) return null;
  return {
    areIn(given): given is Record<string, unknown> {
      if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
      for (const key in given) if (names.has(key)) return true;
      return false;
    },

    conflictIn(given) {
      for (const [other, name] of names) {
        const isTwice = Object.hasOwn(given, other) && Object.hasOwn(given, name);
        if (isTwice && !isDeepStrictEqual(given[other], given[name])) return name;
      }
      return undefined;
    },

    // Built from entries: a key such as __proto__ stays a plain key.
    fold: (given) =>
      Object.fromEntries(
        Object.entries(given).map(([key, value]) => [names.get(key) ?? key, value]),
      ),
  };
}

function camelCased(key: string): string {
  return key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
