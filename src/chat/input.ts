/**
 * From a value that somebody sent to one that the rules take: checked by its schema, and brought into
 * the one form the rules know where the schema says how (`Uuid`). Both doors read with this, so they
 * refuse the same input in the same words.
 *
 * What a schema asks for is compiled once, check and fold alike: TypeBox's own `Decode` walks the
 * schema again for every value.
 */
import { KindGuard, type StaticDecode, TransformKind, type TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { ChatError } from './errors.ts';
import { complaintOf } from './input-words.ts';
import { spellingsOf } from './spellings.ts';

/** What was read, or the refusal: invalid_request, its details naming the first wrong field. */
export type Reading<S extends TSchema> = { value: StaticDecode<S> } | { error: ChatError };

export interface InputWords {
  /** Names the value where no field of it is wrong but all of it: `body`, `payload`. */
  whole: string;
  /** Begins the refusal's sentence: `mark_read: `. Left out: nothing does. */
  lead?: string;
}

/** What may be done with a value between its keys and its check: texts of a query become numbers. */
export type Preparation = (given: unknown) => unknown;

/** Brings a value that its schema holds good into its canonical form; the value itself stays as it is. */
type Fold = (value: unknown) => unknown;

/**
 * The function that reads values of `schema`, their keys in either spelling (`spellings.ts`). It never
 * throws, and never changes what it is given.
 *
 * @param prepare gets the value once its keys are spelt as in the schema, and gives the one to check

 * @throws TypeError for a schema whose canonical form it cannot tell
 */
export function createInputReader<S extends TSchema>(
  schema: S,
  { whole, lead = '' }: InputWords,
  prepare?: Preparation,
): (sent: unknown) => Reading<S> {
  const check = TypeCompiler.Compile(schema);
  const fold = foldOf(schema);
  const spellings = spellingsOf(schema);
  const refusal = (field: string, complaint: string) => ({
    error: new ChatError('invalid_request', `${lead}${field} ${complaint}.`, {
      [field]: complaint,
    }),
  });
  return (sent) => {
    let given = sent;
    if (spellings?.areIn(sent)) {
      const twice = spellings.conflictIn(sent);
      if (twice !== undefined) return refusal(twice, 'is given twice, with different values');
      given = spellings.fold(sent);
    }
    if (prepare !== undefined) given = prepare(given);
    if (check.Check(given)) {
      // As the schema's transforms say: `foldOf` applies all of them.
      return { value: (fold === null ? given : fold(given)) as StaticDecode<S> };
    }
    const first = check.Errors(given).First();
    const field = first?.path.slice(1).replaceAll('/', '.') || whole;
    return refusal(field, first === undefined ? 'is not valid' : complaintOf(first));
  };
}

/** null where there is nothing to fold. */
function foldOf(schema: TSchema): Fold | null {
  if (KindGuard.IsTransform(schema)) return schema[TransformKind].Decode;
  if (KindGuard.IsObject(schema)) return foldOfObject(schema.properties);
  if (KindGuard.IsArray(schema)) {
    const fold = foldOf(schema.items);
    return fold && ((value) => (Array.isArray(value) ? value.map(fold) : value));
  }
  if (KindGuard.IsUnion(schema)) {
    const folds = schema.anyOf.map(foldOf).filter((fold) => fold !== null);
    const [fold, ...more] = folds;
    if (fold === undefined) return null;
    const others = schema.anyOf.filter((one) => !KindGuard.IsNull(one));
    if (more.length > 0 || others.length > 1) {
      throw new TypeError('of a union, null aside, nobody knows which of its schemas a value has');
    }
    return (value) => (value === null ? null : fold(value));
  }
  return null;
}

function foldOfObject(properties: Record<string, TSchema>): Fold | null {
  const folds = Object.entries(properties).flatMap(([name, schema]): [string, Fold][] => {
    const fold = foldOf(schema);
    return fold === null ? [] : [[name, fold]];
  });
  if (folds.length === 0) return null;
  return (value) => {
    if (!isRecord(value)) return value;
    // Nearly all of it is canonical already: then nothing is made.
    let folded: Record<string, unknown> | null = null;
    for (const [name, fold] of folds) {
      const given = value[name];
      if (given === undefined) continue;
      const canonical = fold(given);
      if (canonical === given) continue;
      folded ??= { ...value };
      folded[name] = canonical;
    }
    return folded ?? value;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
