/** Which namespaces can be written on the wire; the same rule for what is read and written. */
import { ProtocolError } from './protocol-error.ts';

const SLASH = 0x2f;
const COMMA = 0x2c;
const SPACE = 0x20;

/**
 * Refuses a namespace that does not start with a slash, or holds a comma (the wire has no escape
 * for it) or a control character (`\x1e` would start another packet in a polling payload).
 *
 * @throws ProtocolError `invalid_namespace`
 */
export function checkNamespace(namespace: string): void {
  let valid = namespace.charCodeAt(0) === SLASH;
  for (let i = 1; valid && i < namespace.length; i++) {
    const char = namespace.charCodeAt(i);
    valid = char >= SPACE && char !== COMMA;
  }
  if (!valid) throw new ProtocolError('invalid_namespace', 'malformed namespace');
}
