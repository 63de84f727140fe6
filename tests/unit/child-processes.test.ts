/** Programs that percept starts: a cloned folder must not choose what runs. */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCES = globSync(['bin/*.js', '{cli,core,backends,bench}/**/*.{ts,tsx}'], { cwd: ROOT });

/** Number of programs that each file starts, in folders of percept but for the user's own commands. A new one needs a decision, and a row here. */
const STARTS: Readonly<Record<string, number>> = {
  'backends/adapters.ts': 1,
  'bench/doctor/platform.ts': 1,
  'bench/machine.ts': 1,
  'bench/peers/llama-cpp.ts': 1,
  'bench/peers/node-llama-cpp.ts': 1,
  'cli/chat/shell-command.ts': 2, // what the user types after !, in the user's folder
  'cli/tui/editor/external-editor.ts': 2,
  'core/models/sources/pip.ts': 1,
};

/** The arguments of every call that starts a program. */
function startsIn(text: string): string[] {
  if (!text.includes('node:child_process')) return [];
  const call = /(?<![.\w])(?:spawn|execFile|exec|fork)(?:Sync)?\)?\(/g;
  return [...text.matchAll(call)].map(({ index }) => text.slice(index, text.indexOf(';', index)));
}

it('every program starts in a private folder; only percept itself and commands of the user stay in the working directory', () => {
  const starts = SOURCES.map((path) => [path, startsIn(readFileSync(resolve(ROOT, path), 'utf8'))] as const);
  const others = starts.filter(([path, calls]) => calls.length > 0 && path !== 'bin/percept.js');
  expect(Object.fromEntries(others.map(([path, { length }]) => [path, length]))).toEqual(STARTS);
  for (const [path, calls] of others) for (const call of calls) expect(call, path).toMatch(/\bcwd\b/);
});
