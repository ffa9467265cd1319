import { ProtocolError } from '../../src/protocol/protocol-error.ts';

/** The code of the ProtocolError that `decode` throws; any other outcome fails the test. */
export function codeOf(decode: () => unknown): string {
  let got: unknown;
  try {
    got = decode();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  throw new Error(`accepted as ${JSON.stringify(got)}`);
}

/** What `decode` gives, or `undefined` for a ProtocolError; any other throw passes through. */
export function packetOrError<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
