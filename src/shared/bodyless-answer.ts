/** The end of an HTTP answer without a body: to HEAD, 204, 304. */
import { type Ascii, ascii, type NativeText } from './native-text.ts';

/** uWebSockets.js's response, as far as it is needed here. */
interface Answer {
  writeHeader(name: Ascii, value: NativeText): unknown;
  end(body: NativeText, close: boolean): unknown;
  endWithoutBody(): unknown;
}

const CONTENT_LENGTH = ascii('Content-Length');
const NOTHING = ascii('');

/**
 * Ends the answer, within a cork, so that the next request on the connection is answered.
 *
 * @param length of the body that a GET would get, in bytes; undefined: not told, as 204 must not
 * @param close ends the connection too. The library can do that with a length of its own only, 0:
 *   for errors, never for 204.
 */
export function answerWithoutBody(res: Answer, length: number | undefined, close = false): void {
  if (close) {
    res.end(NOTHING, true);
    return;
  }
  if (length !== undefined) res.writeHeader(CONTENT_LENGTH, ascii(`${length}`));
  // The length as its argument leaves the binary for Node 20 waiting for the body.
  res.endWithoutBody();
}
