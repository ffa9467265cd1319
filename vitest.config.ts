import { defineConfig } from 'vitest/config';

/**
 * What runs the service or another program in processes of its own (a browser, nginx, a compiler, clusters of
 * PostgreSQL), or takes its time: all that `npm run test:fast` leaves out.
 */
const PROCESSES = [
  'test/{browser,cli,deploy,embedded,platform,process,types,workers}/**/*.test.ts',
  'test/bench/benches.test.ts',
  'test/history/history.test.ts',
  'test/metrics/metrics-access.test.ts',
  'test/peers/{clients,outages}.test.ts',
  'test/security/{development,memory}.test.ts',
  'test/support/{postgres,search-logs}.test.ts',
];

const common = {
  pool: 'forks',
  testTimeout: 20_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/services.ts', 'test/support/search-logs.ts'],
    // Two cores: more workers than that only make timing-sensitive tests fight.
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...common,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: PROCESSES,
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
    ],
  },
});
