/** docs/metrics.md has every figure that a node and a supervisor show, as they show it; and no other. */
import { beforeAll, describe, expect, it } from 'vitest';
import { mergeFigures } from '../../src/metrics/merge.ts';
import { createSupervisorMetrics } from '../../src/metrics/supervisor-metrics.ts';
import { parseExposition } from '../support/exposition.ts';
import { redisUrl, uniquePrefix } from '../support/redis.ts';
import { useScene } from '../support/scene.ts';
import { read } from './markdown.ts';

interface Shown {
  type: string;
  help: string;
  labels: Set<string>;
}

// With Redis: a node alone has nothing to tell of others.
const scene = useScene({ settings: { REDIS_URL: redisUrl(), REDIS_PREFIX: uniquePrefix() } });
const shown = new Map<string, Shown>();

const documented = new Map(
  read('docs/metrics.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [name = '', type, labels = '', unit, help, worry] = line
        .slice(2, -2)
        .split('|')
        .map((cell) => cell.trim());
      return [name.replaceAll('`', ''), { type, labels: names(labels), unit, help, worry }];
    }),
);

function names(cell: string): Set<string> {
  return new Set([...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
}

/** The labels of series; `le` belongs to the type. */
function labelsOf(series: Iterable<string>): Set<string> {
  const found = [...series].flatMap((one) => [...one.matchAll(/[{,](\w+)="/g)]);
  return new Set(found.map(([, label = '']) => label).filter((label) => label !== 'le'));
}

beforeAll(async () => {
  // A route has its series from its first answer on.
  await fetch(`${scene.app.url}/health`);
  const text = await (await fetch(`${scene.app.url}/metrics`)).text();
  for (const { name, type, help, samples } of parseExposition(text).values()) {
    shown.set(name, { type, help, labels: labelsOf(samples.keys()) });
  }
  const counts = { wanted: 0, running: 0, restarts: 0, unanswered: 0 };
  for (const { name, type, help, values } of await createSupervisorMetrics(() => counts)()) {
    const labels = new Set(values.flatMap((value) => Object.keys(value.labels)));
    shown.set(name, { type, help, labels });
  }
});

describe('docs/metrics.md', () => {
  it('has every metric, and none that there is not', () => {
    expect([...documented.keys()].sort()).toEqual([...shown.keys()].sort());
  });

  it('says of each the type, the labels and the meaning that /metrics shows', () => {
    for (const [name, { type, help, labels }] of shown) {
      const told = documented.get(name);
      expect([name, told?.type, told?.help]).toEqual([name, type, help]);
      // What Node counts by kind has no series, and so shows no label, while there is none of a kind.
      const expected = labels.size === 0 && name.startsWith('nodejs_') ? told?.labels : labels;
      expect([name, told?.labels]).toEqual([name, expected]);
    }
  });

  it('counts in its unit what adds up over workers, and nothing else does', async () => {
    const counts = /^(?:bytes|calls|connections|conversations|messages|sockets|topics|WebSockets)$/;
    for (const [name, { unit = '' }] of documented) {
      const { type, help = '' } = shown.get(name) ?? {};
      // The supervisor's are merged with nobody's.
      if (type !== 'gauge' || !name.startsWith('messaging_') || unit === 'processes') continue;
      const one = { name, help, type, aggregator: 'sum', values: [{ value: 1, labels: {} }] };
      const [merged] = await mergeFigures([[one], [one]]);
      expect([name, merged?.values[0]?.value]).toEqual([name, counts.test(unit) ? 2 : 1]);
    }
  });

  it('has names that begin with whose they are', () => {
    for (const name of documented.keys()) expect(name).toMatch(/^(?:messaging|nodejs|process)_/);
  });

  it('gives each a unit, and says when to worry', () => {
    const lacking = [...documented].filter(([, { unit, worry }]) => !unit || !worry?.endsWith('.'));
    expect(lacking).toEqual([]);
  });
});
