/**
 * The one error a codec throws: whatever bytes come in, the outcome is a packet or a
 * `ProtocolError`. It carries a program code; its message never repeats what the other side sent.
 */

/** What was wrong with the bytes. A session answers every one of them by closing. */
export type ProtocolErrorCode =
  /** The packet type is missing or not one of the protocol's. */
  | 'invalid_packet_type'
  /** The shape is wrong for the type: missing, not an array, not an object, not base64, … */
  | 'invalid_payload'
  /** The payload is not JSON. */
  | 'invalid_json'
  /** JSON nested deeper than the limit. */
  | 'too_deep'
  /** JSON of more nodes than the limit. */
  | 'too_many_nodes'
  /** A namespace without leading slash, with a comma or control character, or too long. */
  | 'invalid_namespace'
  /** An event name that is missing, reserved, too long or not a name. */
  | 'invalid_event'
  /** An acknowledgement id that is missing, not decimal digits, or not a safe integer. */
  | 'invalid_ack_id'
  /** The attachment count is malformed or zero, or the placeholders do not match it. */
  | 'invalid_attachments'
  /** More attachments announced than the limit. */
  | 'too_many_attachments'
  /** More packets in one polling payload than the limit. */
  | 'too_many_packets'
  /** More bytes than the limit. */
  | 'too_large';

/** Thrown by every codec of this directory, and the only thing they throw on bytes from the other side. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
  }
}
