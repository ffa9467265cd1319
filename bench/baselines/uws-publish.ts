/**
 * Bare uWebSockets.js: the least work that still delivers. It speaks just as much Socket.IO as the
 * load generator needs, checks nothing, and publishes one text to a topic.
 */
import { createRequire } from 'node:module';
import { announce } from './listening.ts';
import { createCounter } from './memory-chat.ts';

const uws = createRequire(import.meta.url)('uWebSockets.js') as typeof import('uWebSockets.js');
const OPEN =
  '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
const PING_INTERVAL_MS = 25_000;
const counter = createCounter();
const app = uws.App();

app.ws<{ userId: string }>('/socket.io/', {
  idleTimeout: 120,
  maxBackpressure: 1_048_576,
  upgrade(res, req, context) {
    res.upgrade(
      { userId: req.getQuery('userId') ?? '' },
      req.getHeader('sec-websocket-key'),
      req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'),
      context,
    );
  },
  open(ws) {
    ws.subscribe('ping');
    ws.send(OPEN);
  },
  message(ws, bytes) {
    const text = Buffer.from(bytes).toString();
    if (text === '40') {
      ws.send('40{"sid":"x"}');
      return;
    }
    if (!text.startsWith('42')) return;
    // 427["join_conversation",{"conversation_id":"…"}]
    const start = text.indexOf('[');
    const id = text.slice(2, start);
    const [event, payload]: [string, { conversation_id: string; content: string }] = JSON.parse(
      text.slice(start),
    );
    const topic = payload.conversation_id;
    if (event === 'join_conversation') {
      ws.subscribe(topic);
      ws.send(`43${id}[{"success":true,"data":{"last_seq":${counter.last(topic)}}}]`);
      return;
    }
    const json = JSON.stringify(counter.message(topic, ws.getUserData().userId, payload.content));
    ws.send(`43${id}[{"success":true,"data":${json}}]`);
    app.publish(topic, `42["new_message",${json}]`);
  },
});
setInterval(() => app.publish('ping', '2'), PING_INTERVAL_MS);
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) process.exit(1);
  announce(uws.us_socket_local_port(socket));
});
