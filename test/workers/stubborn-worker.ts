// A worker that starts once for each number: its successor does not.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
// The test gives a directory in the place of a database.
const mark = join(seat.order.databaseUrl, String(seat.order.worker));
if (existsSync(mark)) {
  await seat.failed('once is enough');
  process.exit(1);
}
writeFileSync(mark, '');
seat.listening();
