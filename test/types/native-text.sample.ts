/** What the compiler must refuse: a string on its way into native code. Checked by `npm run check`. */
import type { HttpResponse, TemplatedApp, WebSocket } from '../../src/realtime/uws.ts';
import { ascii, utf8 } from '../../src/shared/native-text.ts';

export function crossings(
  app: TemplatedApp,
  socket: WebSocket<unknown>,
  res: HttpResponse,
  text: string,
): void {
  const topic = ascii('topic');
  socket.send(utf8(text), false);
  app.publish(topic, utf8(text), false);
  res.writeStatus(ascii('200 OK')).writeHeader(ascii('Name'), utf8(text)).end(utf8(text));
  // @ts-expect-error: text
  socket.send(text, false);
  // @ts-expect-error: text
  socket.subscribe(text);
  // @ts-expect-error: text
  socket.publish(topic, text, false);
  // @ts-expect-error: a reason is text too, and no client of ours reads one
  socket.end(1000, text);
  // @ts-expect-error: text
  app.publish(topic, text, false);
  // @ts-expect-error: text
  app.publish(text, utf8(text), false);
  // @ts-expect-error: text
  res.writeStatus(text);
  // @ts-expect-error: text
  res.writeHeader(topic, text);
  // @ts-expect-error: text
  res.end(text);
  // @ts-expect-error: text
  res.write(text);
  // @ts-expect-error: text
  res.tryEnd(text, 1);
  // @ts-expect-error: a length would announce a body that never comes
  res.endWithoutBody(0);
}
