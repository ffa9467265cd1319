/** Text that can be stored, and the one look that tells. */

declare const storable: unique symbol;

/** Well-formed Unicode without NUL: PostgreSQL's text holds neither NUL nor half a surrogate pair. */
export type StorableText = string & { readonly [storable]: true };

/** Whether PostgreSQL can hold `text`. */
export function isStorable(text: string): text is StorableText {
  return text.isWellFormed() && !text.includes('\0');
}
