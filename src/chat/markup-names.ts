/**
 * Which names make `<name …>` markup, and which attributes make it so under any name.
 *
 * The names come from kept lists (HTML with its obsolete elements, SVG, MathML), less those that no
 * browser draws or runs and that people do type: `vector<int>`, `List<Element>`, `host: <unknown>`.
 */
import { ELEMENT_NAMES } from './element-names.ts';

/** Listed, but without meaning in any browser in use: never shipped, or withdrawn long ago. */
const withoutMeaning = new Set([
  'command',
  'content',
  'element',
  'nextid',
  'shadow',
  'handler',
  'listener',
  'prefetch',
  'tbreak',
  'unknown',
]);

/** Newer than the lists, or run by an embedding browser. */
const notListedYet = ['fencedframe', 'selectedcontent', 'webview'];

/**
 * Content MathML (`int`, `list`, `set`, `or` …) is not drawn by browsers; presentation MathML is:
 * every name with an `m` in front that is no operator, and the three that carry annotations.
 */
const contentMathml =
  /^(?:matrix|matrixrow|max|mean|median|min|minus|mode|moment|momentabout|(?!annotation|semantics)[^m].*)$/;

const knownElements: ReadonlySet<string> = new Set(
  [
    ...ELEMENT_NAMES.html,
    ...ELEMENT_NAMES.svg,
    ...ELEMENT_NAMES.mathml.filter((name) => !contentMathml.test(name)),
    ...notListedYet,
  ]
    .map((name) => name.toLowerCase())
    .filter((name) => !withoutMeaning.has(name)),
);

/** No known name is this long (UTF-16 units): a longer one need not be read to its end. */
export const MAX_ELEMENT_NAME_LENGTH = 32;

/** Whether a browser gives meaning to an element of this name, in lower case. */
export function isKnownElement(name: string): boolean {
  return knownElements.has(name);
}

/**
 * Attributes that work on an element of any name: handlers run, the others draw, pull in the page's
 * own styles and scripts, or (xmlns, in a page served as XML) turn an unknown name into a known one.
 */
const activeAttribute =
  'on[a-z]{2,64}|style|class|id|is|slot|href|xlink:href|src|srcset|srcdoc|action|formaction|xmlns(?::[^\\s/>=]{0,64})?';

const wholeName = new RegExp(`^(?:${activeAttribute})$`, 'i');

/** Finds every place where a tag could carry an active attribute with a value; a superset. */
const assignment = new RegExp(`(?:${activeAttribute})[\\t\\n\\f\\r ]*=`, 'gi');

/** Whether an attribute of this name makes a tag markup whatever the tag is called. */
export function isActiveAttribute(name: string): boolean {
  return wholeName.test(name);
}

/** Where the last possible `active="…"` of the text begins, or -1: behind it no tag carries one. */
export function lastActiveAttribute(text: string): number {
  let last = -1;
  for (const match of text.matchAll(assignment)) last = match.index;
  return last;
}
