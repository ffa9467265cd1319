import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProbe } from '../../src/bus/redis-probe.ts';
import { createBeat } from '../../src/shared/beat.ts';

const INTERVAL_MS = 500;
const TIMEOUT_MS = 1500;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function create() {
  const sent: { text: string; atMs: number }[] = [];
  let silentAt: number | undefined;
  let proofs = 0;
  const probe = createProbe({
    beat: createBeat(),
    intervalMs: INTERVAL_MS,
    timeoutMs: TIMEOUT_MS,
    send: (payload) => sent.push({ text: Buffer.from(payload).toString(), atMs: Date.now() }),
    onProof: () => {
      proofs += 1;
    },
    onSilent: () => {
      silentAt = Date.now();
    },
  });
  return {
    probe,
    sent,
    echo: (text = sent.at(-1)?.text ?? '') => probe.heard(Buffer.from(text)),
    silentAt: () => silentAt,
    proofs: () => proofs,
  };
}

describe('the probe of a link', () => {
  test('is sent at every interval while its echoes come', () => {
    const { probe, sent, echo, silentAt, proofs } = create();
    probe.start();
    for (let round = 0; round < 10; round += 1) {
      vi.advanceTimersByTime(100);
      echo();
      vi.advanceTimersByTime(400);
    }
    vi.advanceTimersByTime(2); // A beat comes a moment after its time.
    expect(sent).toHaveLength(11);
    expect(new Set(sent.map((one) => one.text)).size).toBe(11);
    expect(proofs()).toBe(10);
    expect(silentAt()).toBeUndefined();
  });

  test('finds silence within the timeout, counted from the last proof', () => {
    const { probe, echo, silentAt } = create();
    probe.start();
    vi.advanceTimersByTime(1);
    echo();
    const lastProofAt = Date.now();
    vi.advanceTimersByTime(10_000);
    expect(silentAt()).toBeGreaterThan(lastProofAt + INTERVAL_MS);
    expect(silentAt()).toBeLessThanOrEqual(lastProofAt + TIMEOUT_MS + 2);
  });

  test('accepts only the echo that it waits for', () => {
    const { probe, sent, echo, silentAt, proofs } = create();
    probe.start();
    const old = sent[0]?.text ?? '';
    echo();
    vi.advanceTimersByTime(INTERVAL_MS);
    for (const text of [old, '', 'x', '999', `${sent[1]?.text} `]) echo(text);
    expect(proofs()).toBe(1);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(silentAt()).toBeDefined();
  });

  test('takes an echo twice for one proof', () => {
    const { probe, echo, proofs } = create();
    probe.start();
    echo();
    echo();
    expect(proofs()).toBe(1);
  });

  test('says and sends nothing once it is stopped', () => {
    const { probe, sent, echo, silentAt, proofs } = create();
    probe.start();
    probe.stop();
    echo();
    vi.advanceTimersByTime(10_000);
    expect(sent).toHaveLength(1);
    expect(proofs()).toBe(0);
    expect(silentAt()).toBeUndefined();
  });

  test('is refused limits that leave an echo no time', () => {
    const nothing = () => undefined;
    expect(() =>
      createProbe({
        beat: createBeat(),
        intervalMs: 500,
        timeoutMs: 500,
        send: nothing,
        onProof: nothing,
        onSilent: nothing,
      }),
    ).toThrow(RangeError);
  });
});
