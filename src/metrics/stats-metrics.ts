/** The figures that are read from the parts' own counters at the moment of a scrape. */
import type { Registry } from 'prom-client';
import { closeLabel, closeReasons } from '../realtime/close-reasons.ts';
import { type Labelled, scrapeReaders } from './scrape-readers.ts';
import type { MetricsSources } from './sources.ts';

/** Registers everything that the parts count, to be read from `sources` at each scrape. */
export function readOnScrape(registers: Registry[], sources: MetricsSources): void {
  const { gauge, gauges, counter, counters } = scrapeReaders(registers);

  const {
    version,
    draining,
    sockets,
    connections,
    memory,
    audience,
    joins,
    writer,
    database,
    bus,
    busStatus,
    refusals,
    work,
    peers,
  } = sources;

  gauges('messaging_build_info', 'Always 1; the version is in the label.', 'version', () => ({
    [version]: 1,
  }));
  gauge('messaging_draining', '1 while the node is going down.', () => (draining() ? 1 : 0));

  // Connections
  gauges('messaging_connections', 'Open connections, by transport.', 'transport', () => {
    const { websocketSessions, pollingSessions } = sockets();
    return { websocket: websocketSessions, polling: pollingSessions };
  });
  gauge(
    'messaging_unidentified_connections',
    'Connections that have not said who they are, or no longer do.',
    () => sockets().strangers,
  );
  gauge(
    'messaging_tcp_connections',
    'Connections open for clients, whether or not they have sent anything.',
    () => connections().open,
  );
  counter(
    'messaging_refused_connections_total',
    'Connections refused because the process may not open more files.',
    () => connections().refused,
  );
  gauge('messaging_sockets', 'Sockets that have joined the namespace.', () => sockets().sockets);
  gauge(
    'messaging_slow_connections',
    'Connections so far behind that typing and cursor events skip them.',
    () => sockets().slowSessions,
  );
  counters('messaging_connections_closed_total', 'Connections ended, by reason.', 'reason', () =>
    closedByReason(sockets().closed),
  );
  counter(
    'messaging_backpressure_closes_total',
    'Connections ended because they did not read (MAX_BACKPRESSURE_BYTES).',
    () => sockets().closed.get('slow reader') ?? 0,
  );

  gauge(
    'messaging_held_bytes',
    'Memory held for what clients have begun and not ended (MAX_HELD_BYTES), roughly.',
    () => memory().heldBytes,
  );
  counters(
    'messaging_ended_for_memory_total',
    'Connections and requests ended because MAX_HELD_BYTES were spent, by whose they were.',
    'who',
    () => ({ ...memory().ended }),
  );

  // Conversations
  gauge('messaging_open_rooms', 'Conversations with a joined socket.', () => audience().openRooms);
  counters('messaging_joins_total', 'Joins of a conversation, by outcome.', 'outcome', () => {
    const { joined, resync, refused } = joins();
    return { joined, resync, refused };
  });
  counter(
    'messaging_replayed_messages_total',
    'Messages sent again to sockets that joined with after_seq.',
    () => joins().replayed,
  );
  counter(
    'messaging_deliveries_total',
    'Live messages delivered, once for each socket that heard one.',
    () => audience().deliveries,
  );
  counter(
    'messaging_room_messages_total',
    'Live messages handed to a conversation, whatever its audience.',
    () => audience().rooms.delivered,
  );
  counter(
    'messaging_repairs_total',
    'Times a hole in a conversation was read from PostgreSQL.',
    () => audience().rooms.repairs,
  );
  counter(
    'messaging_repaired_messages_total',
    'Messages read from PostgreSQL because the bus had not brought them.',
    () => audience().rooms.repairedMessages,
  );
  counter(
    'messaging_head_doubts_total',
    'Times a conversation asked PostgreSQL whether what was delivered still stands.',
    () => audience().rooms.doubts,
  );
  counter(
    'messaging_rooms_reopened_total',
    'Conversations told to resync because PostgreSQL went back.',
    () => audience().rooms.reopened,
  );
  counters('messaging_head_checks_total', 'Head checks, by outcome.', 'outcome', () => {
    const { headChecks, headCheckFailures } = audience().rooms;
    return { ok: headChecks, failed: headCheckFailures };
  });
  counter(
    'messaging_heads_compared_total',
    'Conversations that head checks compared with PostgreSQL.',
    () => audience().rooms.headsCompared,
  );

  // Store
  gauge('messaging_send_queue_messages', 'Messages not yet answered.', () => writer().unanswered);
  gauge(
    'messaging_send_queue_waiting_messages',
    'Messages not yet answered that are in no batch yet.',
    () => writer().waiting,
  );
  gauge(
    'messaging_send_queue_bytes',
    'Memory the messages not yet answered hold, roughly.',
    () => writer().unansweredBytes,
  );
  gauge(
    'messaging_send_queue_locked_conversations',
    'Conversations whose messages wait because of a lock that somebody else holds.',
    () => writer().heldUp,
  );
  counter(
    'messaging_store_retries_total',
    'Attempts to commit a batch after a conflict or a lost connection.',
    () => writer().retries,
  );
  gauge(
    'messaging_database_connections',
    'Connections to PostgreSQL, those of the writer included.',
    () => database().connections,
  );
  gauge(
    'messaging_database_busy_connections',
    'Connections of the pool at work.',
    () => database().busy,
  );
  gauge(
    'messaging_database_waiting_calls',
    'Calls waiting for a connection of the pool.',
    () => database().waiting,
  );
  gauge(
    'messaging_database_lock_waiting_calls',
    'Calls waiting, without a connection, for a lock that somebody else holds, or for their turn at it.',
    () => database().lockWaiting,
  );
  counter(
    'messaging_database_lost_connections_total',
    'Connections to PostgreSQL that were lost or given up.',
    () => database().lost,
  );

  // Bus
  gauge('messaging_bus_up', '1 while the link between the nodes works.', () =>
    busStatus().ok ? 1 : 0,
  );
  gauge(
    'messaging_bus_round_trip_seconds',
    'Way of the last probe to Redis and back; NaN before the first, and without Redis.',
    () => (bus()?.roundTripMs ?? Number.NaN) / 1_000,
  );
  counter('messaging_bus_published_total', 'Payloads given to Redis.', () => bus()?.published ?? 0);
  counter('messaging_bus_received_total', 'Payloads of other nodes.', () => bus()?.received ?? 0);
  counters(
    'messaging_bus_dropped_total',
    'Payloads that went nowhere, by cause; receivers read them from PostgreSQL.',
    'cause',
    () => {
      const { linkDown, overBound, tooLarge, unconfirmed } = bus()?.dropped ?? NOTHING_DROPPED;
      return { link_down: linkDown, over_bound: overBound, too_large: tooLarge, unconfirmed };
    },
  );
  counters(
    'messaging_bus_refused_total',
    'Payloads heard and not taken, by fault; epoch: of a node that talks to another database.',
    'fault',
    () => ({ framing: bus()?.garbage ?? 0, ...audience().envelopes.refused }),
  );
  counter(
    'messaging_bus_gaps_total',
    'Times the bus said that payloads may have been missed.',
    () => bus()?.gaps ?? 0,
  );
  counter(
    'messaging_bus_link_ups_total',
    'Times the link to Redis came up, the first one included.',
    () => bus()?.linksUp ?? 0,
  );
  gauge('messaging_bus_topics', 'Topics this node listens to.', () => bus()?.topics ?? 0);
  gauge(
    'messaging_bus_pending_bytes',
    'Bytes published that Redis has not confirmed.',
    () => bus()?.pendingBytes ?? 0,
  );

  // Peers
  counters(
    'messaging_peer_requests_total',
    'Polling requests for sessions of other nodes, by how they ended.',
    'outcome',
    () => peers()?.requests ?? {},
  );
  counters(
    'messaging_peer_relays_total',
    'WebSockets relayed to other nodes that have ended, by how.',
    'outcome',
    () => peers()?.relays ?? {},
  );
  gauge(
    'messaging_peer_relayed_connections',
    'WebSockets relayed to other nodes at this moment.',
    () => peers()?.relayed ?? 0,
  );

  // Limits
  counters('messaging_rate_limited_total', 'What was over a limit, by kind.', 'kind', () => ({
    ...refusals(),
    work: work().refused,
  }));
  gauge(
    'messaging_waiting_work',
    "Calls that wait in their own person's line, behind that person's other work.",
    () => work().waiting,
  );
}

const NOTHING_DROPPED = { linkDown: 0, overBound: 0, tooLarge: 0, unconfirmed: 0 };

function closedByReason(closed: ReadonlyMap<string, number>): Labelled {
  const figures: Record<string, number> = { other: 0 };
  for (const reason of Object.keys(closeReasons)) figures[closeLabel(reason)] = 0;
  for (const [reason, count] of closed) {
    const label = closeLabel(reason);
    figures[label] = (figures[label] ?? 0) + count;
  }
  return figures;
}
