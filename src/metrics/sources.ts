/** Where the figures come from: the parts' own counters, by type only. */
import type { AudienceStats } from '../audience/audience.ts';
import type { BusStatus } from '../bus/bus.ts';
import type { RedisBusStats } from '../bus/redis-bus.ts';
import type { JoinStats } from '../delivery/join-stats.ts';
import type { RefusalStats } from '../limits/limits.ts';
import type { WorkStats } from '../limits/work-line.ts';
import type { PeerStats } from '../peers/peers.ts';
import type { ConnectionStats } from '../realtime/connection-cap.ts';
import type { SocketServerStats } from '../realtime/socket-server.ts';
import type { MemoryBudgetStats } from '../shared/memory-budget.ts';
import type { Database } from '../store/database.ts';
import type { WriterStats } from '../store/writer.ts';

export interface MetricsSources {
  version: string;
  draining(): boolean;
  sockets(): SocketServerStats;
  connections(): ConnectionStats;
  memory(): MemoryBudgetStats;
  audience(): AudienceStats;
  joins(): JoinStats;
  writer(): WriterStats;
  database(): ReturnType<Database['stats']>;
  busStatus(): BusStatus;
  /** The bus's counters; null where one node is alone. */
  bus(): RedisBusStats | null;
  refusals(): RefusalStats;
  work(): WorkStats;
  /** The counters of what passes between processes; null where one node is alone. */
  peers(): PeerStats | null;
}
