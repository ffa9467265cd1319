/** The product's own Socket.IO server, without the chat: the same program as the socket.io baselines. */

import { SOCKET_SERVER_LIMITS } from '../../src/bounds/realtime.ts';
import type { NamespaceHandler } from '../../src/realtime/socket.ts';
import { createSocketServer } from '../../src/realtime/socket-server.ts';
import { createUwsApp, listenExclusive } from '../../src/realtime/uws.ts';
import { announce } from './listening.ts';
import { createCounter } from './memory-chat.ts';

const counter = createCounter();

function textOf(payload: unknown, key: string): string {
  const value: unknown =
    typeof payload === 'object' && payload !== null ? Reflect.get(payload, key) : undefined;
  return typeof value === 'string' ? value : '';
}

const chat: NamespaceHandler<string> = {
  onConnect: (_socket, handshake) => handshake.query.get('userId') ?? '',
  onEvent(socket, event, [payload], ack) {
    const conversationId = textOf(payload, 'conversation_id');
    if (event === 'join_conversation') {
      socket.join(conversationId);
      const data = { conversation_id: conversationId, last_seq: counter.last(conversationId) };
      ack?.({ success: true, data });
    } else if (event === 'send_message') {
      const message = counter.message(conversationId, socket.data, textOf(payload, 'content'));
      // One message, encoded once for the answer and the room.
      const json = JSON.stringify(message);
      ack?.json(`{"success":true,"data":${json}}`, conversationId);
      server.publish(conversationId, `42["new_message",${json}]`);
    }
  },
};

const app = createUwsApp();
const server = createSocketServer({
  app,
  path: '/socket.io/',
  limits: SOCKET_SERVER_LIMITS,
  corsOrigins: '*',
  log: console,
});
server.mount('/', chat as NamespaceHandler);
const { port } = await listenExclusive(app, '127.0.0.1', 0);
announce(port);
