import { defineConfig } from 'vitest/config';

const report = process.env.PERCEPT_TEST_REPORT; // where .ci/run wants the counts as JSON
const foreign = process.env.PERCEPT_TEST_FOREIGN === '1'; // tests beside other programs, from the registries

const FOREIGN = {
  name: 'foreign',
  include: ['tests/foreign/*.test.ts', 'tests/cli/completion.test.ts'],
  globalSetup: ['tests/software-adapter.ts', 'tests/foreign/shells.ts'],
};
/** They change nothing outside themselves, so files share a process: that saves a tenth of a second for each. */
const UNIT = {
  name: 'unit',
  include: ['tests/unit/**/*.test.{ts,tsx}'],
  globalSetup: ['tests/software-adapter.ts'],
  isolate: false,
};
const WHOLE = {
  name: 'whole',
  include: ['tests/!(foreign|unit)/**/*.test.{ts,tsx}'],
  globalSetup: ['tests/software-adapter.ts', 'tests/emulated-kernels.ts'],
};

export default defineConfig({
  test: {
    projects: (foreign ? [FOREIGN] : [UNIT, WHOLE]).map((test) => ({ extends: true, test })),
    pool: 'forks', // software adapters are found by processes, not by threads
    maxWorkers: 3, // two that compute, as engines own a thread a core; one waits for a terminal, as a rule
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
