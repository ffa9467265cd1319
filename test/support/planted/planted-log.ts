// Keeps a log with the text of PLANTED in it. Not part of the suite: search-logs.test.ts runs it.
import { it } from 'vitest';
import { keepLog } from '../kept-logs.ts';

it('writes a log', () => {
  const kept = keepLog({ JWT_SECRET: 'planted-secret' });
  kept.write(`a start\n${process.env.PLANTED ?? ''}\n`);
  kept.mustHold('a start');
});
