/** socket.io on ws, its usual way. permessage-deflate is off, as it is by default and should be. */
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { announce } from './listening.ts';
import { serveMemoryChat } from './memory-chat.ts';

const http = createServer();
const io = new Server(http, { perMessageDeflate: false, httpCompression: false });
serveMemoryChat(io);
http.listen(0, '127.0.0.1', () => {
  const address = http.address();
  announce(typeof address === 'object' && address !== null ? address.port : 0);
});
