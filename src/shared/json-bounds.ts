/**
 * What JSON text would become, before it is parsed: how deep it nests, and how many nodes it makes.
 *
 * Guarantees: linear time and constant space. What is within the depth can be walked, copied and
 * stringified recursively; what is within the nodes takes memory and time in proportion to its text:
 * without that bound, a megabyte of `[{},{},…]` is 23 MB of objects.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Memory of one node, bytes: the worst are objects that each have a key of their own. Found by parsing
 * a megabyte of each kind on Node 20 and 24.
 */
const NODE_BYTES = 64;
/** A character of text that is not Latin. */
const CHARACTER_BYTES = 2;

export interface JsonBounds {
  /** Nesting of arrays and objects: `[[1]]` has depth two. */
  readonly maxDepth: number;
  /**
   * Opening brackets, commas and colons outside of texts: there is at least one for each value but the
   * first, and one for each key.
   */
  readonly maxNodes: number;
}

/**
 * Which bound the JSON text exceeds, if any. For text that is not JSON the answer means nothing, but
 * comes as fast.
 */
export function jsonExcess(
  json: string,
  { maxDepth, maxNodes }: JsonBounds,
): 'too_deep' | 'too_many_nodes' | undefined {
  // Every level takes an opening and a closing bracket, every node a character. Counting is one memchr
  // after another, and a chat packet has few of each: the exact scan is for texts that could exceed.
  const mayBeDeep = json.length > 2 * maxDepth && hasMoreThan(json, '[{', maxDepth);
  const mayBeMany = json.length > maxNodes && hasMoreThan(json, '[{,:', maxNodes);
  if (!mayBeDeep && !mayBeMany) return undefined;
  const { depth, nodes } = scan(json, maxDepth, maxNodes);
  if (depth > maxDepth) return 'too_deep';
  return nodes > maxNodes ? 'too_many_nodes' : undefined;
}

/** The memory that the JSON text takes once it is parsed, bytes, roughly and not less. */
export function parsedBytes(json: string): number {
  const { nodes } = scan(json, Infinity, Infinity);
  return json.length * CHARACTER_BYTES + nodes * NODE_BYTES;
}

function hasMoreThan(text: string, characters: string, count: number): boolean {
  let left = count;
  for (const character of characters) {
    for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) {
      if (--left < 0) return true;
    }
  }
  return false;
}

/** The deepest nesting and the nodes of the text, or of its part up to where one is exceeded. */
function scan(json: string, maxDepth: number, maxNodes: number): { depth: number; nodes: number } {
  let depth = 0;
  let deepest = 0;
  let nodes = 0;
  let inText = false;
  for (let i = 0; i < json.length && deepest <= maxDepth && nodes <= maxNodes; i++) {
    const char = json.charCodeAt(i);
    if (inText) {
      if (char === BACKSLASH) i++;
      else if (char === QUOTE) inText = false;
    } else if (char === QUOTE) {
      inText = true;
    } else if (char === COMMA || char === COLON) {
      nodes++;
    } else if (char === OPEN_ARRAY || char === OPEN_OBJECT) {
      nodes++;
      if (++depth > deepest) deepest = depth;
    } else if (char === CLOSE_ARRAY || char === CLOSE_OBJECT) {
      depth--;
    }
  }
  return { depth: deepest, nodes };
}
