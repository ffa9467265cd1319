/** Figures that somebody else counts: read at the moment of a scrape. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** Label value → figure. */
export type Labelled = Readonly<Record<string, number>>;

/** Ways to show such figures in `registers`. */
export function scrapeReaders(registers: Registry[]) {
  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
  function gauges(name: string, help: string, label: string, read: () => Labelled): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [value, figure] of Object.entries(read())) this.set({ [label]: value }, figure);
      },
    });
  }
  /** The parts count by themselves, so what they say replaces what was said before. */
  function counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
  function counters(name: string, help: string, label: string, read: () => Labelled): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, figure] of Object.entries(read())) this.inc({ [label]: value }, figure);
      },
    });
  }

  return { gauge, gauges, counter, counters };
}
