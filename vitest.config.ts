import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/services.ts', 'test/support/search-logs.ts'],
    pool: 'forks',
    // Two cores: more workers than that only make timing-sensitive tests fight.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Every test file owns its database and key prefix; nothing is shared but the servers.
    isolate: true,
  },
});
