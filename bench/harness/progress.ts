/** Progress while benches run: a bar on a terminal, lines elsewhere. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  expect(steps: number): void;
  step(text: string): void;
  end(): void;
}

export function createProgress(name: string): Progress {
  if (process.stderr.isTTY !== true) {
    return {
      expect: () => undefined,
      step: (text) => void process.stderr.write(`  … ${name}, ${text}\n`),
      end: () => undefined,
    };
  }
  const bar = new SingleBar({
    format: `  ${name} {bar} {value}/{total} {duration_formatted}  {text}`,
    hideCursor: true,
    clearOnComplete: true,
  });
  let total = 0;
  let steps = 0;
  return {
    expect(more) {
      if (total === 0) bar.start(more, 0, { text: '' });
      total += more;
      bar.setTotal(total);
    },
    step(text) {
      // The step that begins is shown; those before it are done.
      bar.update(steps, { text });
      steps += 1;
    },
    end: () => bar.stop(),
  };
}
