/** Counts how joins end, around the joining itself. */
import type { Joining } from './joining.ts';

/** How joins have ended on this node. */
export interface JoinStats {
  joined: number;
  /** Joined, but too far behind (or ahead) to be replayed to. */
  resync: number;
  refused: number;
  /** Messages sent to joining sockets because they had missed them. */
  replayed: number;
}

/** What `joining` does, with its joins counted in `stats`. */
export function counted(joining: Joining, stats: JoinStats): Joining {
  return {
    ...joining,
    async join(socket, actor, input, acknowledge) {
      try {
        await joining.join(socket, actor, input, (result) => {
          stats[result.resync === true ? 'resync' : 'joined'] += 1;
          acknowledge(result);
        });
      } catch (error) {
        stats.refused += 1;
        throw error;
      }
    },
  };
}
