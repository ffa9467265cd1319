/** Sends, by what became of them and how long the sender waited: both doors come through here. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { ChatError, errorCatalogue } from '../chat/errors.ts';
import type { Messages } from '../chat/messages.ts';

const ACK_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The meter of sends, shown in `registers`. */
export function createSendMeter(registers: Registry[]) {
  const outcomes = new Map<string, number>(
    ['stored', 'duplicate', ...Object.keys(errorCatalogue)].map((outcome) => [outcome, 0]),
  );
  const ackSeconds = new Histogram({
    name: 'messaging_ack_latency_seconds',
    help: 'Time from the call to send a message until it is committed and acknowledged.',
    buckets: ACK_SECONDS,
    registers,
  });
  new Counter({
    name: 'messaging_sends_total',
    help: 'Calls to send a message, by outcome: stored, duplicate, or the code of the refusal.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of outcomes) this.inc({ outcome }, count);
    },
  });

  function count(outcome: string): void {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  return {
    measured: (messages: Messages): Messages => ({
      ...messages,
      async send(...call) {
        const startedAt = performance.now();
        try {
          const sent = await messages.send(...call);
          ackSeconds.observe((performance.now() - startedAt) / 1_000);
          count(sent.duplicate === true ? 'duplicate' : 'stored');
          return sent;
        } catch (error) {
          count(error instanceof ChatError ? error.code : 'internal');
          throw error;
        }
      },
    }),
  };
}
