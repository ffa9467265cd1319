/** REPORT.md: the newest result of every bench, ratios first, then plots and figures. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spreadOf } from '../harness/result.ts';
import { groups, short } from '../harness/table.ts';
import { drawPlots } from './plots.ts';
import { latestResults, type Stored } from './results.ts';

/** Metrics of a table, in this order where they are there. */
const COLUMNS: [string, string][] = [
  ['done_per_s', 'done/s'],
  ['delivered_per_s', 'delivered/s'],
  ['server_us_per_done', 'server µs each'],
  ['server_us_per_delivery', 'server µs/delivery'],
  ['foreign_us', 'µs/foreign message'],
  ['postgres_us_per_done', 'PostgreSQL µs each'],
  ['redis_us_per_done', 'Redis µs each'],
  ['wal_bytes_per_message', 'WAL bytes each'],
  ['table_bytes_per_message', 'table bytes each'],
  ['server_us_per_idle_s', 'server µs/s and idle connection'],
  ['postgres_us_per_idle_s', 'PostgreSQL the same'],
  ['kb_per_connection', 'KB/connection'],
  ['heap_kb_per_connection', 'of it heap'],
  ['connections_per_s', 'connections/s'],
  ['resumed_ms', 'resumed, ms'],
  ['join_p99_ms', 'join p99, ms'],
  ['ack_p50_ms', 'answer p50, ms'],
  ['ack_p99_ms', 'answer p99, ms'],
  ['delivery_p50_ms', 'received p50, ms'],
  ['delivery_p99_ms', 'received p99, ms'],
  ['delivery_p99.9_ms', 'received p99.9, ms'],
  ['ratio', 'ratio'],
  ['server_cores', 'server cores'],
  ['postgres_cores', 'PostgreSQL cores'],
  ['redis_cores', 'Redis cores'],
  ['load_cores', 'load cores'],
];

/** Writes the report and its plots beside the results. */
export async function writeReport(directory: string, names: readonly string[]): Promise<string> {
  const parts = ['# Measured\n', INTRODUCTION];
  for (const stored of latestResults(directory, names)) {
    parts.push(await section(directory, stored));
  }
  const file = join(directory, 'REPORT.md');
  writeFileSync(file, `${parts.join('\n')}\n`);
  return file;
}

const INTRODUCTION = `\`npm run bench\` makes these figures (\`-- name\` for one, \`-- --quick\` for an impression).
Ratios are of runs within one round, in fresh processes, in alternating order: median (least–most).
Server, PostgreSQL and load generator share the machine's cores. Every run checks at each client that
nothing was lost, doubled or reordered, and the table afterwards; a run of the product that fails
this fails the bench, failures of baselines are listed.
`;

async function section(directory: string, { size, environment, result }: Stored): Promise<string> {
  const lines = [`## ${result.name}: ${result.title}`, ''];
  if (size !== 'full') lines.push(`**A ${size} run: an impression, not a figure.**`, '');
  if (result.findings.length > 0) {
    lines.push('| | median | spread | rounds | target |', '|---|---|---|---|---|');
    for (const { label, value, unit, target, reached } of result.findings) {
      const mark = reached === null ? '' : reached ? ' ✓' : ' ✗';
      lines.push(
        `| ${label} | **${short(value.median)} ${unit}** | ${short(value.min)}–${short(value.max)} ` +
          `| ${value.count} | ${target}${mark} |`,
      );
    }
    lines.push('');
  }
  for (const failure of result.failures) lines.push(`**FAILED** ${failure}`, '');
  for (const { name, svg } of await drawPlots(result)) {
    writeFileSync(join(directory, `${name}.svg`), svg);
    lines.push(`![${name}](${name}.svg)`, '');
  }
  lines.push(...figures(result.samples), ...remarks(result.samples));
  const facts = [
    `${environment.date.slice(0, 16).replace('T', ' ')} UTC`,
    `commit ${environment.commit}`,
    ...Object.entries(environment.machine).map(([key, value]) => `${key} ${value}`),
    ...Object.entries(environment.versions).map(([key, value]) => `${key} ${value}`),
    ...Object.entries(environment.postgres).map(([key, value]) => `PostgreSQL ${key} ${value}`),
    ...Object.entries(environment.disk).map(([key, value]) => `disk ${key} ${value}`),
    ...Object.entries(result.settings).map(([key, value]) => `${key} ${value}`),
  ];
  lines.push(`<sub>${facts.join(' · ')}</sub>`, '');
  return lines.join('\n');
}

function figures(samples: Stored['result']['samples']): string[] {
  const columns = COLUMNS.filter(([name]) => samples.some((s) => s.metrics[name] !== undefined));
  if (columns.length === 0) return [];
  const lines = [
    `| medians | ${columns.map(([, title]) => title).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
  ];
  for (const [key, group] of groups(samples)) {
    const cells = columns.map(([name]) => {
      const values = group.flatMap((sample) => sample.metrics[name] ?? []);
      return values.length === 0 ? '' : short(spreadOf(values).median);
    });
    lines.push(`| ${key} | ${cells.join(' | ')} |`);
  }
  return [...lines, ''];
}

function remarks(samples: Stored['result']['samples']): string[] {
  const lines: string[] = [];
  for (const [key, group] of groups(samples)) {
    const limits = new Map<string, number>();
    for (const note of group.flatMap((s) => s.notes)) limits.set(note, (limits.get(note) ?? 0) + 1);
    for (const [note, times] of limits)
      lines.push(`- ${key}: ${note} (${times} of ${group.length})`);
    for (const fault of new Set(group.flatMap((s) => s.faults))) lines.push(`- ${key}: ${fault}`);
  }
  return lines.length === 0 ? [] : [...lines, ''];
}
