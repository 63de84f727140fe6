import { defineConfig } from 'vitest/config';

const report = process.env.PERCEPT_TEST_REPORT; // where .ci/run wants the counts as JSON

export default defineConfig({
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    globalSetup: ['tests/software-adapter.ts', 'tests/emulated-kernels.ts'],
    pool: 'forks', // that adapter is found by processes, not by threads
    maxWorkers: 2, // engines own a thread a core
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
