import { describe, expect, it } from 'vitest';
import { Output } from '../../cli/output.ts';
import { columnLines } from '../../cli/terminal/text/columns.ts';
import { columnsOf } from '../../cli/terminal/text/width.ts';

const MODELS = [
  ['small', '98.4 MB', 'small and quick, answers in English'],
  ['small-360m', '386.4 MB', 'better answers, 4 times the size'],
];

describe('a table in columns', () => {
  it('is not wrapped if it fits', () => {
    expect(columnLines(MODELS, 80)).toEqual([
      'small       98.4 MB   small and quick, answers in English',
      'small-360m  386.4 MB  better answers, 4 times the size',
    ]);
  });

  it('wraps cells between words', () => {
    expect(columnLines(MODELS, 45)).toEqual([
      'small       98.4 MB   small and quick,',
      '                      answers in English',
      'small-360m  386.4 MB  better answers, 4 times',
      '                      the size',
    ]);
  });

  it('moves a word that is too long for its column below, with the cells after it', () => {
    expect(columnLines([['small', '98.4 MB', '/home/someone/models/small.gguf']], 36)).toEqual([
      'small  98.4 MB',
      '    /home/someone/models/small.gguf',
    ]);
  });

  it('breaks a long list after commas, and a path after a slash only if no line holds it', () => {
    const [first, second, ...more] = columnLines([['order', 'top_k,top_p,min_p', 'default']], 28);
    expect([first, second]).toEqual(['order  top_k,top_p,  default', '       min_p']);
    expect(more).toEqual([]);
    expect(columnLines([['a', '/home/someone/models/small.gguf']], 26)).toEqual([
      'a',
      '    /home/someone/models/',
      '    small.gguf',
    ]);
  });

  it('counts columns, not code units', () => {
    const lines = columnLines(
      [
        ['漢字', 'x'],
        ['ab', 'y'],
      ],
      20,
    );
    expect(lines).toEqual(['漢字  x', 'ab    y']);
  });

  it.each([20, 30, 40, 60, 79])('is no wider than %i columns', (columns) => {
    for (const line of columnLines(MODELS, columns)) expect(columnsOf(line)).toBeLessThanOrEqual(columns);
  });
});

describe('Output.table', () => {
  async function written(columns: number | undefined): Promise<string> {
    let text = '';
    const stream = {
      isTTY: columns !== undefined,
      columns,
      write: (part: string) => {
        text += part;
        return true;
      },
      once: () => undefined,
      getColorDepth: () => 1,
    };
    await new Output({ stdout: stream as never, stderr: stream as never, env: {} }).table(MODELS);
    return text;
  }

  it('wraps on a terminal, and has one line for each row elsewhere', async () => {
    expect((await written(45)).split('\n')).toHaveLength(5);
    expect((await written(80)).split('\n')).toHaveLength(3);
    expect((await written(undefined)).split('\n')).toHaveLength(3);
  });
});
