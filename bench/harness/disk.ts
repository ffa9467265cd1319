/**
 * What making sure of a write costs on this disk: ratios to whatever commits one message at a time
 * depend on it more than on anything else.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const BLOCK_BYTES = 8_192;
const BLOCKS = 64;
const MAX_WRITES = 400;
const MAX_MS = 2_000;

/**
 * 8 KB written over a block that is there already, then fdatasync, as PostgreSQL does it with a page
 * of its log: the median, and whose file system it was measured on. Blocks for two seconds at most.
 *
 * @param postgresDirectory where PostgreSQL keeps its data; null: not known, or not on this machine
 */
export function measureDisk(postgresDirectory: string | null): Record<string, string> {
  const home = postgresDirectory === null ? null : besides(postgresDirectory);
  const micros = medianSyncMicros(home ?? tmpdir());
  return {
    fdatasync_of_8_KB_median_us: micros.toFixed(0),
    measured_on: home === null ? 'the file system of temporary files' : 'that of PostgreSQL’s data',
  };
}

/** A directory on the same file system that may be written to; never the data directory itself. */
function besides(dataDirectory: string): string | null {
  try {
    const { dev } = statSync(dataDirectory);
    const found = [tmpdir(), dirname(dataDirectory)].find((path) => statSync(path).dev === dev);
    return found ?? null;
  } catch {
    return null; // not ours to see, or on another machine
  }
}

function medianSyncMicros(directory: string): number {
  const own = mkdtempSync(join(directory, 'messaging-bench-disk-'));
  const file = openSync(join(own, 'blocks'), 'w');
  const times: number[] = [];
  try {
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    for (let n = 0; n < BLOCKS; n += 1) writeSync(file, block, 0, BLOCK_BYTES, n * BLOCK_BYTES);
    fsyncSync(file);
    const endAt = performance.now() + MAX_MS;
    for (let n = 0; n < MAX_WRITES && performance.now() < endAt; n += 1) {
      const startedAt = performance.now();
      writeSync(file, block, 0, BLOCK_BYTES, (n % BLOCKS) * BLOCK_BYTES);
      fdatasyncSync(file);
      times.push(performance.now() - startedAt);
    }
  } finally {
    closeSync(file);
    rmSync(own, { recursive: true });
  }
  times.sort((a, b) => a - b);
  return (times[times.length >> 1] ?? Number.NaN) * 1000;
}
