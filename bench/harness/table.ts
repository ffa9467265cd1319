/** Results on the terminal: ratios first. */
import type { BenchResult, Sample } from './result.ts';
import { spreadOf } from './result.ts';

export function printResult(result: BenchResult, write: (line: string) => void): void {
  write('');
  write(`${result.name}: ${result.title}`);
  for (const { label, value, unit, target, reached } of result.findings) {
    const mark = reached === null ? ' ' : reached ? '✓' : '✗';
    const figure = `${short(value.median)} ${unit}`.padStart(12);
    const range = `(${short(value.min)}–${short(value.max)}, n=${value.count})`;
    write(`  ${mark} ${figure}  ${label}  ${range}${target === '' ? '' : `  target ${target}`}`);
  }
  for (const [key, group] of groups(result.samples)) {
    write(`    ${key}`);
    const names = [...new Set(group.flatMap((sample) => Object.keys(sample.metrics)))];
    const parts = names.map((name) => {
      const values = group.flatMap((sample) => sample.metrics[name] ?? []);
      return `${name} ${short(spreadOf(values).median)}`;
    });
    write(`      ${parts.join('  ')}`);
    for (const note of new Set(group.flatMap((s) => [...s.notes, ...s.faults]))) {
      write(`      ! ${note}`);
    }
  }
  for (const failure of result.failures) write(`  FAILED ${failure}`);
}

/** Samples of one subject in one case, by a name for both. */
export function groups(samples: readonly Sample[]): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = `${sample.subject}, ${sample.case}`;
    found.set(key, [...(found.get(key) ?? []), sample]);
  }
  return found;
}

/** Three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  return String(Number(value.toPrecision(3)));
}
