import { afterEach, describe, expect, it } from 'vitest';
import { commandHelp, fullHelp, shortHelp } from '../../cli/arguments/help.ts';
import { COMMANDS } from '../../cli/commands/index.ts';
import { Output } from '../../cli/output.ts';

const { style } = new Output({ noColor: true });
const { columns } = process.stdout;
afterEach(() => {
  process.stdout.columns = columns;
});

describe.each([[60], [80], [100], [200]])('in a terminal of %i columns', (width) => {
  it('words stay within it, and descriptions start in one column', () => {
    process.stdout.columns = width;
    const pages = [shortHelp(style, COMMANDS), fullHelp(style, COMMANDS)];
    for (const page of [...pages, ...COMMANDS.map((command) => commandHelp(style, command))]) {
      const wide = page.split('\n').filter((line) => line.length > Math.min(width, 110));
      expect(wide.filter((line) => !/^ {2}(\w+ .*\| )?percept |^ +(-\w, )?--/.test(line))).toEqual([]); // not broken
      if (width >= 80) expect(wide).toEqual([]);
    }
  });

  it('a description is below a long example or option', () => {
    process.stdout.columns = width;
    const long =
      /^ {2}percept bench -m a.gguf,b.gguf -d 0,4096 --kv-type f16,q8(\n {6,}| {2})all combinations/m;
    const bench = COMMANDS.find(({ name }) => name === 'bench')!;
    expect(commandHelp(style, bench)).toMatch(long);
  });
});
