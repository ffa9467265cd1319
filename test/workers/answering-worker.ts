// A worker that does nothing but live.
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
seat.listening();
