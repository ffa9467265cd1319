// The second of the workers hangs as soon as it listens; its successor does not.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
seat.listening();
// The test gives a directory in the place of a database.
const mark = join(seat.order.databaseUrl, 'hangs');
if (seat.order.worker === 2 && !existsSync(mark)) {
  writeFileSync(mark, '');
  // When it has been said that it listens.
  setImmediate(() => {
    for (;;);
  });
}
