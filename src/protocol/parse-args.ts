/**
 * The JSON part of a packet. Guarantees: linear time; nesting and the number of nodes are bounded before
 * anything is parsed; every failure is a `ProtocolError`; accepts exactly what `JSON.parse` accepts.
 */
import { type JsonBounds, jsonExcess } from '../shared/json-bounds.ts';
import { ProtocolError } from './protocol-error.ts';

const OPEN_ARRAY = 0x5b;

/**
 * Parses the argument array that takes the rest of `text` from `start`.
 *
 * @throws ProtocolError `invalid_payload` (no array), `invalid_json`, `too_deep`, `too_many_nodes`
 */
export function parseArgs(text: string, start: number, bounds: JsonBounds): unknown[] {
  if (text.charCodeAt(start) !== OPEN_ARRAY) {
    throw new ProtocolError('invalid_payload', 'payload is not an array');
  }
  const parsed = parseJson(text.substring(start), bounds);
  if (!Array.isArray(parsed)) throw new ProtocolError('invalid_payload', 'payload is not an array');
  return parsed;
}

/**
 * Parses one JSON value.
 *
 * @throws ProtocolError `invalid_json`, `too_deep`, `too_many_nodes`
 */
export function parseJson(json: string, bounds: JsonBounds): unknown {
  const excess = jsonExcess(json, bounds);
  if (excess !== undefined) throw new ProtocolError(excess, 'payload exceeds a bound');
  try {
    return JSON.parse(json);
  } catch {
    // The parser's own message quotes the other side's bytes; it stays here.
    throw new ProtocolError('invalid_json', 'payload is not JSON');
  }
}
