/** The dashboard and the alerts ask only for what /metrics really says. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Family, parseExposition, seriesNames } from '../support/exposition.ts';
import { freePort } from '../support/ports.ts';
import { type ServiceProcess, startService } from '../support/service-process.ts';
import { readQuery } from './queries.ts';

interface Dashboard {
  templating: { list: { name: string; query: string | { query: string } }[] };
  panels: {
    id: number;
    type: string;
    title: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { expr: string; legendFormat: string }[];
  }[];
}
interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const deployed = (name: string) =>
  readFile(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');

let db: TestDatabase;
let app: TestApp;
let workers: ServiceProcess;
let families: Map<string, Family>;
/** The same of a service of two workers, which merges theirs and adds its own. */
let merged: Map<string, Family>;
let dashboard: Dashboard;
let rules: Rule[];

beforeAll(async () => {
  db = await createTestDatabase();
  // Nobody listens there: /ready is 503, and what the alerts ask of failures has something to find.
  const redis = `redis://127.0.0.1:${await freePort()}`;
  const env = { REDIS_URL: redis, READY_REQUIRES_REDIS: 'on' };
  app = await startTestApp(db.url, env);
  workers = await startService({ ...env, DATABASE_URL: db.url, WORKERS: '2' });
  for (const { url } of [app, workers]) expect((await fetch(`${url}/ready`)).status).toBe(503);
  [families, merged] = await Promise.all([scrape(app.url), scrape(workers.url)]);
  dashboard = JSON.parse(await deployed('grafana-dashboard.json')) as Dashboard;
  const file = parse(await deployed('prometheus-alerts.yaml')) as { groups: { rules: Rule[] }[] };
  rules = file.groups.flatMap((group) => group.rules);
});
afterAll(async () => {
  await workers.discard();
  await app.stop();
  await db.drop();
});

async function scrape(url: string): Promise<Map<string, Family>> {
  return parseExposition(await (await fetch(`${url}/metrics`)).text());
}

/** What the expressions ask for that is not there, in one process or in two. */
function missingAnywhere(expressions: readonly string[]): string[] {
  const ofOne = expressions.filter((expression) => !expression.includes('messaging_worker'));
  return [
    ...ofOne.flatMap((expression) => missing(expression)),
    ...expressions.flatMap((expression) => missing(expression, merged)),
  ];
}

/** What the expression asks for that is not there. */
function missing(expression: string, there = families): string[] {
  const { selectors, groupedBy } = readQuery(expression);
  const names = seriesNames(there);
  const samples = [...there.values()].flatMap((family) => [...family.samples.keys()]);
  // Prometheus itself adds `instance` and `job` to all it scrapes.
  const known = (name: string, label: string): boolean =>
    ['instance', 'job'].includes(label) ||
    samples.some((sample) => sample.startsWith(`${name}{`) && sample.includes(`${label}="`));
  return selectors.flatMap(({ name, equals, labels }) => [
    ...(names.has(name) ? [] : [name]),
    ...[...labels, ...groupedBy]
      .filter((label) => !known(name, label))
      .map((label) => `${name}{${label}}`),
    ...equals
      .filter(
        ({ label, value }) => !samples.some((sample) => sample.includes(`${label}="${value}"`)),
      )
      .map(({ label, value }) => `${name}{${label}="${value}"}`),
  ]);
}

describe('the check', () => {
  it('finds a metric, a label and a label value that are not there, and what is no query', () => {
    expect(missing('rate(messaging_sends_total{outcome="stored"}[5m])')).toEqual([]);
    expect(missing('rate(messaging_sent_total[5m])')).toEqual(['messaging_sent_total']);
    expect(missing('messaging_sends_total{result=~".+"}')).toEqual([
      'messaging_sends_total{result}',
    ]);
    expect(missing('messaging_sends_total{outcome="lost"}')).toEqual([
      'messaging_sends_total{outcome="lost"}',
    ]);
    expect(() => missing('sum(rate(messaging_sends_total[5m])')).toThrow('not PromQL');
  });
});

describe('the dashboard', () => {
  it('asks for nothing that is not there', () => {
    const expressions = dashboard.panels.flatMap(({ targets = [] }) =>
      targets.map(({ expr }) => expr),
    );
    expect(expressions.length).toBeGreaterThan(30);
    expect(missingAnywhere(expressions)).toEqual([]);
    const variable = dashboard.templating.list.find(({ name }) => name === 'instance');
    expect(variable?.query).toMatchObject({
      query: 'label_values(messaging_build_info, instance)',
    });
    expect(families.has('messaging_build_info')).toBe(true);
  });

  it('has panels that neither share an id nor lie on each other', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, n) => `${x + (n % w)} ${y + Math.floor(n / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
  });
});

describe('the alerts', () => {
  it('ask for nothing that is not there', () => {
    expect(rules.length).toBeGreaterThan(8);
    expect(missingAnywhere(rules.map(({ expr }) => expr))).toEqual([]);
  });

  it('see the same metrics in one process as in several', () => {
    const own = (name: string): boolean => !name.startsWith('messaging_worker');
    expect([...merged.keys()].filter(own).toSorted()).toEqual([...families.keys()].toSorted());
  });

  it('have a name of their own, a patience, a severity and words', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule.alert).toMatch(/^Messaging[A-Z][A-Za-z]+$/);
      expect(rule.for).toMatch(/^\d+m$/);
      expect(rule.labels.severity).toMatch(/^(info|warning|critical)$/);
      expect(rule.annotations.summary).toMatch(/\w/);
      expect(rule.annotations.description).toMatch(/\w/);
    }
  });
});
