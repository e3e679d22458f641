import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  root,
  // Test files beside the code find vitest where it is installed.
  resolve: { alias: { vitest: fileURLToPath(new URL('node_modules/vitest', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.ts', '{shared,db,server,client}/**/*.test.ts'],
    globalSetup: ['test/support/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});
