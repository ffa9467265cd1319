// Loaded before the service by a test (NODE_OPTIONS): on SIGUSR2 something happens that nobody expected.
import { setTimeout as later } from 'node:timers';

const faults = {
  exception: () => later(() => throwIt(), 1),
  rejection: () => void Promise.reject(new Error('nobody expected this')),
  // Of one operation after the other, as a broken part would.
  storm: () => {
    for (let n = 0; n < 1_000; n += 1) later(() => throwIt(), 1);
  },
};

function throwIt() {
  throw new Error('nobody expected this');
}

process.on('SIGUSR2', () => faults[process.env.TEST_FAULT]());
