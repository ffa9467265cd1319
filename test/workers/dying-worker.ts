// A worker that listens and then dies, as often as it is started.
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
seat.listening();
// When what was said has been written.
await seat.failed('nothing holds me here');
process.exit(3);
