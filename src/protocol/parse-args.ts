/**
 * The JSON part of a packet. Guarantees: linear time; nesting is bounded before anything is
 * parsed; every failure is a `ProtocolError`; accepts exactly what `JSON.parse` accepts.
 */
import { isDeeperThan } from './json-depth.ts';
import { ProtocolError } from './protocol-error.ts';

const OPEN_ARRAY = 0x5b;

/**
 * Parses the argument array that takes the rest of `text` from `start`.
 *
 * @throws ProtocolError `invalid_payload` (no array), `invalid_json`, `too_deep`
 */
export function parseArgs(text: string, start: number, maxDepth: number): unknown[] {
  if (text.charCodeAt(start) !== OPEN_ARRAY) {
    throw new ProtocolError('invalid_payload', 'payload is not an array');
  }
  const parsed = parseJson(text.substring(start), maxDepth);
  if (!Array.isArray(parsed)) throw new ProtocolError('invalid_payload', 'payload is not an array');
  return parsed;
}

/**
 * Parses one JSON value.
 *
 * @throws ProtocolError `invalid_json`, `too_deep`
 */
export function parseJson(json: string, maxDepth: number): unknown {
  if (isDeeperThan(json, maxDepth)) {
    throw new ProtocolError('too_deep', 'payload nested too deep');
  }
  try {
    return JSON.parse(json);
  } catch {
    // The parser's own message quotes the peer's bytes; it stays here.
    throw new ProtocolError('invalid_json', 'payload is not JSON');
  }
}
