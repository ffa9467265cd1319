import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What runs the service or another program in processes of its own (a browser, nginx, a compiler, clusters of
 * PostgreSQL), or takes its time: all that `npm run test:fast` leaves out.
 */
const PROCESSES = [
  'test/{browser,cli,compat,deploy,embedded,package,platform,process,types,workers}/**/*.test.ts',
  'test/docs/guide.test.ts',
  'test/history/history.test.ts',
  'test/metrics/metrics-access.test.ts',
  'test/peers/{clients,outages}.test.ts',
  'test/security/{development,memory}.test.ts',
  'test/support/{postgres,search-logs}.test.ts',
];

/** What starts processes takes longest, so it begins first: a run ends with short files, both workers busy. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ project }: TestSpecification): boolean => project.name === 'processes';
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

/** Every bench at tiny size, which takes a quarter of the time of all tests: `npm run test:benches`. */
const BENCHES = ['test/bench/{benches,ejabberd}.test.ts'];

const common = {
  pool: 'forks',
  testTimeout: 20_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/services.ts', 'test/support/search-logs.ts'],
    // For two cores: half of what a test takes is waiting. A fourth makes no run shorter.
    maxWorkers: 3,
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...PROCESSES, ...BENCHES],
          // A worker keeps what it has loaded for its next file: loading was a third of the work. So a test
          // file leaves nothing running, and puts back what it changes of its process.
          isolate: false,
        },
      },
      {
        test: {
          ...common,
          name: 'processes',
          include: PROCESSES,
          globalSetup: ['test/support/compiled-service.ts'],
        },
      },
      { test: { ...common, name: 'benches', include: BENCHES } },
    ],
  },
});
