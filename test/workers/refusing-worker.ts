// A worker that starts only as the first.
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
if (seat.order.worker === 1) {
  seat.listening();
} else {
  await seat.failed('the second is one too many');
  process.exit(1);
}
