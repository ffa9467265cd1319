/** The outcome of all runs as a table for the terminal. */
import type { EpisodeResult } from './episode.ts';

const MAX_SHOWN = 12;
const columns = [
  'fault',
  'seed',
  'verdict',
  'ok',
  'unknown',
  'refused',
  '503',
  'deliveries',
  'detect ms',
  'first ok ms',
  'caught up ms',
  'stall ms',
  'grown MB',
];

const number = (value: number): string =>
  Number.isFinite(value) ? String(Math.round(value)) : 'never';

function cells({ fault, seed, verdict, measures, stallMs, grownBytes }: EpisodeResult): string[] {
  return [
    fault,
    String(seed),
    verdict,
    ...[
      measures.ok,
      measures.unknown,
      measures.refused,
      measures.unavailable,
      measures.deliveries,
      measures.detectMs,
      measures.firstOkMs,
      measures.caughtUpMs,
      stallMs,
      grownBytes / 1024 / 1024,
    ].map(number),
  ];
}

export function table(results: readonly EpisodeResult[]): string {
  const rows = [columns, ...results.map(cells)];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  '),
    )
    .join('\n');
}

/** What was wrong with a run, a line each; the first of each rule and how many there were. */
export function findings(result: EpisodeResult): string[] {
  const byRule = new Map<string, string[]>();
  for (const { rule, detail } of result.violations) {
    const details = byRule.get(rule);
    if (details === undefined) byRule.set(rule, [detail]);
    else details.push(detail);
  }
  const broken = [...byRule].map(
    ([rule, details]) => `BROKEN ${rule} (${details.length}×): ${details[0]}`,
  );
  return [...broken, ...result.missed.map((text) => `late: ${text}`)].slice(0, MAX_SHOWN);
}
