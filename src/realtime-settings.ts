/** What bounds the realtime layer: the settings, and what the system lets this process open. */
import { SOCKET_SERVER_LIMITS } from './bounds/realtime.ts';
import { ChatError, toErrorBody } from './chat/errors.ts';
import type { Config } from './config.ts';
import { readDescriptorLimit, roomFor, whyNoRoom } from './descriptors.ts';
import type { Logger } from './log.ts';
import { type ConnectionCap, createConnectionCap } from './realtime/connection-cap.ts';
import type { SocketServerLimits } from './realtime/socket-server.ts';

/** Where sessions are served, on every node. */
export const SOCKET_PATH = '/socket.io/';

export interface RealtimeSettings {
  readonly socketLimits: SocketServerLimits;
  readonly connections: ConnectionCap;
}

/** @throws Error with one sentence when the system leaves no room for clients */
export function realtimeSettings(config: Config, log: Logger): RealtimeSettings {
  const { realtime } = config;
  const room = roomFor(config, readDescriptorLimit());
  const noRoom = whyNoRoom(room);
  if (noRoom !== null) throw new Error(noRoom);
  const { connections, sessions, descriptors } = room;
  if (sessions < realtime.maxConnections) {
    // Nobody asked for the default on a machine where somebody tries it out.
    const isAskedFor =
      config.nodeEnv === 'production' ||
      realtime.maxConnections !== SOCKET_SERVER_LIMITS.maxSessions;
    log[isAskedFor ? 'warn' : 'info'](
      { descriptors, connections, sessions },
      'fewer sessions than MAX_CONNECTIONS: the process may not open more files',
    );
  }
  const full = new ChatError(
    'unavailable',
    'There are as many connections as can be. Try again shortly.',
  );
  return {
    socketLimits: {
      ...SOCKET_SERVER_LIMITS,
      pingIntervalMs: realtime.pingIntervalMs,
      pingTimeoutMs: realtime.pingTimeoutMs,
      connectTimeoutMs: realtime.connectTimeoutMs,
      maxPayloadBytes: config.maxPayloadBytes,
      maxSessions: sessions,
      maxBackpressureBytes: realtime.maxBackpressureBytes,
      maxPollingBufferBytes: realtime.maxBackpressureBytes,
      maxTopicsPerSocket: config.delivery.maxJoinedConversations,
    },
    connections: createConnectionCap({
      max: connections,
      tls: config.tls !== null,
      refusalBody: JSON.stringify({ success: false, error: toErrorBody(full) }),
      retryAfterSeconds: full.retryAfterSeconds ?? 1,
      log,
    }),
  };
}
