/** docs/metrics.md has every figure that a node and a supervisor show, as they show it; and no other. */
import { beforeAll, describe, expect, it } from 'vitest';
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

  it('gives each a unit, and says when to worry', () => {
    const lacking = [...documented].filter(([, { unit, worry }]) => !unit || !worry?.endsWith('.'));
    expect(lacking).toEqual([]);
  });
});
