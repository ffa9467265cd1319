// A run with one planted log, for search-logs.test.ts.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/support/planted/planted-log.ts'],
    globalSetup: ['test/support/search-logs.ts'],
    pool: 'forks',
  },
});
