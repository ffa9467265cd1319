/** What the connections of one Socket.IO server share. Types only. */

import type { SocketLimits } from '../protocol/socket-packet.ts';
import type { MemoryBudget } from '../shared/memory-budget.ts';
import type { PacketLimit } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { Namespace, SocketOwner } from './socket-namespace.ts';

/** @template Connection the connections themselves, which know their host: named by the one that does both */
export interface ConnectionHost<Connection> {
  readonly limits: SocketOwner['limits'] & {
    readonly maxNamespacesPerSession: number;
    readonly maxAttachmentBytes: number;
  };
  readonly packetLimits: SocketLimits;
  /** The limits of the CONNECT of a session without identity. */
  readonly connectLimits: SocketLimits;
  readonly memory: MemoryBudget;
  /** `data` of the CONNECT_ERROR for a namespace there is not; undefined: none. */
  readonly unknownNamespace: unknown;
  /** How many packets each may send; undefined: as many as they like. */
  readonly packetLimit: PacketLimit | undefined;
  readonly log: RealtimeLog;
  /** Whether the facts of the request outlive the first CONNECT. */
  readonly keepsFacts: boolean;
  namespace(name: string): Namespace | undefined;
  /** To be called when a socket came or went. */
  count(change: 1 | -1): void;
  /** To be called when a connection has a namespace: its connect timeout is over. */
  connected(connection: Connection): void;
  /** To be called when a binary packet is being put together, which has a deadline, or is no longer. */
  assembling(connection: Connection, isUnderWay: boolean): void;
  /** To be called when a connection has no namespace any more: it has some time for another CONNECT. */
  left(connection: Connection): void;
}
