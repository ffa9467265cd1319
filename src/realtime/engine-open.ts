/** The first packet of a session: what the client has to know of it. */
import type { EngineLimits } from './engine-limits.ts';

/** `0{"sid":"…","upgrades":["websocket"],"pingInterval":25000,…}` */
export function openPacket(
  sid: string,
  upgrades: readonly string[],
  limits: Pick<EngineLimits, 'pingIntervalMs' | 'pingTimeoutMs' | 'maxPayloadBytes'>,
): string {
  return `0${JSON.stringify({
    sid,
    upgrades,
    pingInterval: limits.pingIntervalMs,
    pingTimeout: limits.pingTimeoutMs,
    maxPayload: limits.maxPayloadBytes,
  })}`;
}
