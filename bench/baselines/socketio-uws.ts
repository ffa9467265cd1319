/** socket.io on uWebSockets.js by `attachApp`: its own fast way, with the topics of the server. */
import { createRequire } from 'node:module';
import { Server } from 'socket.io';
import { announce } from './listening.ts';
import { serveMemoryChat } from './memory-chat.ts';

const uws = createRequire(import.meta.url)('uWebSockets.js') as typeof import('uWebSockets.js');
const app = uws.App();
const io = new Server({ perMessageDeflate: false, httpCompression: false });
io.attachApp(app);
serveMemoryChat(io);
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) process.exit(1);
  announce(uws.us_socket_local_port(socket));
});
