/** The chat as a Socket.IO namespace: who may connect, what a socket starts with and leaves behind. */

import type { UserSockets } from '../audience/user-sockets.ts';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import { ChatError, toErrorBody } from '../chat/errors.ts';
import type { Typing } from '../chat/typing.ts';
import { ConnectRefused, type Handshake, type NamespaceHandler } from '../realtime/socket.ts';
import type { ChatSocketData, createCommands } from './commands.ts';
import type { Joining } from './joining.ts';
import type { TokenExpiry } from './token-expiry.ts';

export interface ChatNamespaceDeps {
  doorkeeper: Doorkeeper;
  commands: ReturnType<typeof createCommands>;
  joining: Joining;
  typing: Typing;
  tokenExpiry: TokenExpiry;
  users: UserSockets;
}

/** The handler to mount on the Socket.IO server. A refused CONNECT carries the code of the refusal. */
export function createChatNamespace(deps: ChatNamespaceDeps): NamespaceHandler<ChatSocketData> {
  const { doorkeeper, commands, joining, typing, tokenExpiry, users } = deps;
  return {
    async onConnect(_socket, handshake) {
      try {
        const address = doorkeeper.addressOf(handshake);
        const actor = await doorkeeper.identify(address, credentialsOf(handshake));
        return {
          actor,
          connectedAtMs: Math.floor(performance.now()),
          address,
          refusedTokens: 0,
          running: 0,
          waitingSize: 0,
          onIdle: null,
        };
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        const { message, details: _, ...data } = toErrorBody(error);
        throw new ConnectRefused(message, data);
      }
    },

    onConnected(socket) {
      const { actor } = socket.data;
      tokenExpiry.watch(socket, actor.expiresAtMs);
      if (actor.kind === 'user') users.enter(socket, actor.userId);
    },

    onEvent: (socket, event, args, ack) => commands.dispatch(socket, event, args, ack),
    onEventOverLimit: (socket, event, ack) => commands.refuse(socket, event, ack),

    // What has been begun is answered before the connection goes.
    onDrain: (socket) => commands.finish(socket),

    onDisconnect(socket) {
      joining.leaveAll(socket);
      typing.stopAll(socket);
      tokenExpiry.forget(socket);
      if (socket.data.actor.kind === 'user') users.leave(socket, socket.data.actor.userId);
    },
  };
}

function credentialsOf({ auth, query }: Handshake) {
  const token = typeof auth.token === 'string' ? auth.token : query.get('token');
  return {
    token: token?.replace(/^Bearer /i, ''),
    statedUserId: query.get('userId'),
    anonymousIsService: false,
  };
}
