import { defineConfig } from 'vitest/config';

const report = process.env.PERCEPT_TEST_REPORT; // where .ci/run wants the counts as JSON
const foreign = process.env.PERCEPT_TEST_FOREIGN === '1'; // tests beside other programs, from the registries

export default defineConfig({
  test: {
    include: foreign
      ? ['tests/foreign/*.test.ts', 'tests/cli/completion.test.ts']
      : ['tests/!(foreign)/**/*.test.{ts,tsx}'],
    globalSetup: foreign
      ? ['tests/software-adapter.ts', 'tests/foreign/shells.ts']
      : ['tests/software-adapter.ts', 'tests/emulated-kernels.ts'],
    pool: 'forks', // that adapter is found by processes, not by threads
    maxWorkers: 3, // two that compute, as engines own a thread a core; one waits for a terminal, as a rule
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
