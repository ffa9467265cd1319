import type { Socket } from '../realtime/socket.ts';
import type { CanonicalId } from '../shared/ids.ts';

/** One socket's place in one room. */
export interface Member {
  readonly socket: Socket;
  readonly userId: CanonicalId;
  /** The version of the member list in which the person was last seen. */
  asOf: number;
  /** True once live messages reach the socket; before that it is being replayed to. */
  live: boolean;
  /** Left, evicted or replaced: a join under way must stop. */
  gone: boolean;
  /** Gone because the person is no participant any more. */
  evicted: boolean;
}
