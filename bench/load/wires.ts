/** The protocols by name. */
import type { Joining } from './plan.ts';
import { joinBySocketIo } from './socket-io-wire.ts';
import type { JoinProgress, Wire, WireEvents } from './wire.ts';
import { joinByXmpp } from './xmpp-wire.ts';

const JOINS = { 'socket.io': joinBySocketIo, xmpp: joinByXmpp };

/**
 * Connects everybody, so many at a time.
 *
 * @throws Error when one is refused, or the time is over
 */
export function joinWire(
  plan: Joining,
  events: WireEvents,
  progress: JoinProgress = {},
): Promise<Wire> {
  return JOINS[plan.wire ?? 'socket.io'](plan, events, progress);
}
