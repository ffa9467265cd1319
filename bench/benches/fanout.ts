/**
 * fanout: what a delivery costs. First without storage, the same little program on each Socket.IO
 * server (`realtime-layer` is the product's), so that delivery alone is compared; then stored, the
 * whole product beside the obvious implementation. Deliveries per CPU second of the server do not
 * depend on who else uses the machine's cores.
 */
import { measureTraffic, PRODUCT, type Subject } from '../harness/chat-run.ts';
import { alternate, type BenchContext, failuresOf } from '../harness/context.ts';
import { roomsOf } from '../harness/database.ts';
import { type BenchResult, findRatios, type RatioWish } from '../harness/result.ts';

const LAYER = 'realtime-layer';
const METRIC = 'deliveries_per_server_cpu_s';
const CONTENT_BYTES = 52;
/** Unanswered messages of each room's sender: enough that nobody waits for the generator. */
const WINDOW = 16;

const SUBJECTS: Subject[] = [
  { name: LAYER, stores: false },
  { name: 'socketio-ws', stores: false },
  { name: 'socketio-uws', stores: false },
  { name: 'uws-publish', stores: false },
  { name: PRODUCT, stores: true },
  { name: 'obvious', stores: true },
];

export async function fanout(context: BenchContext): Promise<BenchResult> {
  const rooms = [
    { count: 1, members: 1000 },
    { count: 100, members: 10 },
    { count: 500, members: 2 },
  ];
  const shapes = context.pick({ tiny: [{ count: 1, members: 10 }], quick: rooms, full: rooms });
  const measureMs = context.pick({ tiny: 300, quick: 2_000, full: 3_000 });
  const caseOf = (shape: (typeof shapes)[number]): string => `${shape.count}×${shape.members}`;
  const measures = shapes.flatMap((shape) =>
    SUBJECTS.filter(
      // Stored chat has a bench of its own: here one shape shows what storing leaves of a delivery.
      ({ name, stores }) => context.wants(name) && (!stores || shape.members === 10),
    ).map((subject) => ({
      name: `${subject.name}, ${caseOf(shape)}`,
      measure: () =>
        measureTraffic(context, subject, caseOf(shape), {
          rooms: roomsOf(shape.count, shape.members),
          senders: 'first',
          window: WINDOW,
          ratePerSecond: 0,
          warmUpMs: context.pick({ tiny: 100, quick: 1_000, full: 2_000 }),
          measureMs,
          contentBytes: CONTENT_BYTES,
        }),
    })),
  );
  const samples = await alternate(context, measures);
  const wishes = shapes.flatMap((shape): RatioWish[] => {
    const name = caseOf(shape);
    const wish = (over: string, under: string, atLeast?: number): RatioWish => ({
      label: `deliveries per server-CPU second, ${name}, ${over} / ${under}`,
      metric: METRIC,
      case: name,
      over,
      under,
      ...(atLeast === undefined ? {} : { target: { atLeast } }),
    });
    return [
      // In pairs the answers and the reading weigh more than the deliveries.
      wish(LAYER, 'socketio-ws', shape.members >= 10 ? 7 : undefined),
      wish(LAYER, 'socketio-uws', shape.members === 10 ? 1.5 : undefined),
      wish(LAYER, 'uws-publish', 0.85),
      ...(shape.members === 10 ? [wish(PRODUCT, 'obvious')] : []),
    ];
  });
  return {
    name: 'fanout',
    title: 'Deliveries',
    settings: { measure_ms: measureMs, content_bytes: CONTENT_BYTES, window: WINDOW },
    samples,
    findings: findRatios(samples, wishes),
    failures: failuresOf(samples, [PRODUCT, LAYER]),
  };
}
