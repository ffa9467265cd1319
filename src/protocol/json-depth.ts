/**
 * Guarantees that JSON deeper than a limit is refused before it is parsed, in linear time and
 * constant space. What is accepted can then be walked, copied and stringified recursively.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Whether arrays and objects nest deeper than `maxDepth` in the JSON text `json` (`[[1]]` has depth
 * two). For text that is not JSON the answer means nothing, but comes as fast.
 */
export function isDeeperThan(json: string, maxDepth: number): boolean {
  // Every level takes an opening and a closing bracket.
  if (json.length <= 2 * maxDepth) return false;
  // Counting openers is one memchr after another; a chat packet has two or three in all, so the
  // exact scan below is for texts that could be deep.
  if (!hasMoreThan(json, '[', '{', maxDepth)) return false;
  return scanDepth(json, maxDepth);
}

function hasMoreThan(text: string, a: string, b: string, count: number): boolean {
  let left = count;
  for (let at = text.indexOf(a); at !== -1; at = text.indexOf(a, at + 1)) {
    if (--left < 0) return true;
  }
  for (let at = text.indexOf(b); at !== -1; at = text.indexOf(b, at + 1)) {
    if (--left < 0) return true;
  }
  return false;
}

function scanDepth(json: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (inString) {
      if (char === BACKSLASH) i++;
      else if (char === QUOTE) inString = false;
    } else if (char === QUOTE) {
      inString = true;
    } else if (char === OPEN_ARRAY || char === OPEN_OBJECT) {
      if (++depth > maxDepth) return true;
    } else if (char === CLOSE_ARRAY || char === CLOSE_OBJECT) {
      depth--;
    }
  }
  return false;
}
