// A worker that cannot read its figures the first time it is asked for them.
import { takeSeat } from '../../src/workers/worker-seat.ts';

const seat = await takeSeat();
let asked = 0;
seat.share({
  contentType: 'text/plain',
  async figures() {
    asked += 1;
    if (asked === 1) throw new Error('not now');
    return [
      {
        name: 'asked_total',
        help: 'Times.',
        type: 'counter',
        aggregator: 'sum',
        values: [{ value: asked, labels: {} }],
      },
    ];
  },
});
seat.listening();
