import { describe, expect, it } from 'vitest';
import type { Options } from '../../cli/arguments/options.ts';
import { formatOf, Rows } from '../../cli/bench/rows.ts';
import { Output } from '../../cli/output.ts';
import { MACHINE } from './bench-events.ts';

interface Row {
  readonly model: string;
}

/** The stdout of rows in one format. */
async function printed(options: Options, { isTTY }: { isTTY: boolean }): Promise<string> {
  const written: string[] = [];
  const stream = { isTTY, getColorDepth: () => 1, write: (text: string) => written.push(text) > 0 };
  const output = new Output({ stdout: stream as never, stderr: stream as never, env: {} });
  const rows = new Rows<Row>(options, { output }, MACHINE, {
    table: 'speeds',
    flat: (row) => ({ ...row }),
    markdown: (rows) => rows.map(({ model }) => `${model}\n`).join(''),
    legend: ['model: its name'],
  });
  await rows.add([{ model: 'a' }, { model: 'b\x1b[2J' }]);
  await rows.end();
  return written.join('');
}

describe('rows', () => {
  it('have one format', () => {
    expect(formatOf({ output: 'md' })).toBe('md');
    expect(formatOf({ output: 'csv' })).toBe('csv');
    expect(formatOf({ output: 'md', json: true })).toBe('json');
    expect(formatOf({ output: 'md', jsonl: true })).toBe('jsonl');
  });

  it.each<[Options, string]>([
    [{ output: 'md' }, 'a\nb\x1b[2J\nmodel: its name\n'],
    [{ output: 'csv' }, 'model\n"a"\n"b\x1b[2J"\n'],
    [{ jsonl: true }, '{"model":"a"}\n{"model":"b\\u001b[2J"}\n'],
    [{ json: true }, '"rows":[{"model":"a"},{"model":"b\\u001b[2J"}]}\n'],
  ])('%j goes to a pipe as it is', async (options, end) => {
    const text = await printed(options, { isTTY: false });
    expect(text.endsWith(end)).toBe(true);
  });

  it('a name cannot control the terminal', async () => {
    expect(await printed({ output: 'md' }, { isTTY: true })).toMatch(/\n\na\nb␛\[2J\n\nmodel: its name\n$/);
  });
});
