import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { barLine } from '../../cli/progress/bar.ts';
import { endLine, type Progress, plainLine, type Rate } from '../../cli/progress/line.ts';
import { themeOf } from '../../cli/terminal/theme.ts';

const look = { color: 0, background: 'dark', ascii: false } as const;
const theme = themeOf(look);

const download = {
  ...{ activity: 'downloading', subject: 'smollm2', unit: 'bytes' },
  ...{ done: 12.3e6, total: 98.4e6 },
} as const satisfies Progress;
const rate: Rate = { speed: 5.2e6, left: 65 };

describe('a bar', () => {
  it.each([
    [
      100,
      'smollm2: downloading  ▕███▊                          ▏  12.3 of 98.4 MB  5.2 MB/s  1 min 5 s left',
    ],
    [79, 'smollm2: downloading  ▕█▍         ▏  12.3 of 98.4 MB  5.2 MB/s  1 min 5 s left'],
    [65, 'smollm2: downloading  12.3 of 98.4 MB  5.2 MB/s  1 min 5 s left'],
    [55, 'smollm2: downloading  12.3 of 98.4 MB  1 min 5 s left'],
    [45, 'downloading  12.3 of 98.4 MB  1 min 5 s left'],
    [39, 'downloading  12 %  1 min 5 s left'],
    [20, 'downloading  12 %'],
    [11, 'downloading'],
    [8, 'downloa…'],
  ])('in %i columns', (columns, expected) => {
    expect(barLine(download, rate, theme, columns)).toBe(expected);
  });

  it('is filled by eighths of a cell, whole only at the end', () => {
    const bars = [0, 1, 239, 240].map((done) => {
      const line = barLine({ activity: 'a', unit: 'pieces', done, total: 240 }, {}, theme, 100);
      return line.replace(/^a {2}▕(.*)▏ {2}[ \d]{3} of 240$/, '$1');
    });
    expect(bars).toEqual([' '.repeat(30), `▏${' '.repeat(29)}`, `${'█'.repeat(29)}▉`, '█'.repeat(30)]);
  });

  it('has an ASCII variant', () => {
    const ascii = themeOf({ ...look, ascii: true });
    const long = { ...download, subject: 'hf:owner/repository/model-of-some-size.gguf' };
    expect(barLine(download, rate, ascii, 79)).toBe(
      'smollm2: downloading  [#          ]  12.3 of 98.4 MB  5.2 MB/s  1 min 5 s left',
    );
    for (let columns = 1; columns <= 120; columns++) {
      expect(barLine(long, rate, ascii, columns)).toMatch(/^[ -~]*$/);
    }
  });

  it('is never wider than the terminal, whatever it shows', () => {
    const subjects = [
      undefined,
      'smollm2',
      '你好世界你好世界你好世界.gguf',
      'a'.repeat(300),
      '👩‍👩‍👧e\u0301'.repeat(20),
    ];
    for (const subject of subjects) {
      for (const detail of [undefined, 'cpu: matmul q4_0 576x1536 with a long name']) {
        for (let columns = 1; columns <= 130; columns++) {
          const line = barLine({ ...download, subject, detail }, rate, theme, columns);
          expect(stringWidth(line), line).toBeLessThanOrEqual(columns);
        }
      }
    }
  });

  it('shows the file of a path, and both ends of a long name', () => {
    const name = (subject: string) => barLine({ ...download, subject }, rate, theme, 85).split(':')[0];
    expect(name('hf:owner/repo/tiny-q4.gguf')).toBe('tiny-q4.gguf');
    expect(name('hf:owner/repository/model-of-some-size.gguf')).toBe('model-of…ze.gguf');
    expect(name('model-of-some-size.gguf')).toBe('model-of…ze.gguf');
  });

  it('has the same length at any speed', () => {
    const lengths = [{}, { speed: 0 }, { speed: 999e3, left: 9 }, { speed: 12e6, left: 59 }].map((rate) =>
      barLine(download, rate, theme, 79).indexOf('▏  '),
    );
    expect(new Set(lengths).size).toBe(1);
  });

  it('shows the current piece if there is room', () => {
    const pieces = { activity: 'verifying', unit: 'pieces', done: 7, total: 345 } as const;
    const lines = [79, 60].map((columns) =>
      barLine({ ...pieces, detail: 'cpu: matmul q4_0 576x1536' }, { left: 65 }, theme, columns),
    );
    expect(lines).toEqual([
      'verifying  ▕▎               ▏    7 of 345  1 min 5 s left  cpu: matmul q4_0 57…',
      'verifying  ▕▎               ▏    7 of 345  1 min 5 s left',
    ]);
  });

  it('shows a stall even if there is no room for a speed', () => {
    expect(barLine(download, { speed: 0 }, theme, 39)).toBe('downloading  12.3 of 98.4 MB  0 B/s');
  });

  it('is not drawn while the total is unknown', () => {
    const unknown = { ...download, total: undefined };
    expect(barLine(unknown, rate, theme, 79)).toBe('smollm2: downloading  12.3 MB  5.2 MB/s  1 min 5 s left');
    expect(barLine({ ...unknown, done: undefined }, {}, theme, 79)).toBe('smollm2: downloading');
  });

  it('has a colour, which takes no columns', () => {
    const coloured = barLine(download, rate, themeOf({ ...look, color: 1 }), 79);
    expect(coloured).toContain('▕\x1b[36m█▍         \x1b[39m▏');
    expect(stringWidth(coloured)).toBe(stringWidth(barLine(download, rate, theme, 79)));
  });

  it('prevents a name from controlling the terminal', () => {
    expect(barLine({ ...download, subject: 'a\x1b[2J\nb' }, {}, theme, 79)).toMatch(/^a␛\[2J b: downloading/);
  });
});

describe('a line of a log', () => {
  it.each<[Progress, Rate, string]>([
    [download, rate, 'smollm2: downloading  12.3 MB of 98.4 MB  5.2 MB/s  1 min 5 s left'],
    [{ ...download, total: undefined }, {}, 'smollm2: downloading  12.3 MB'],
    [{ activity: 'loading weights', unit: 'bytes', total: 98.4e6 }, {}, 'loading weights  98.4 MB'],
    [
      { activity: 'scoring', unit: 'tokens', done: 64, total: 512 },
      { speed: 3.14 },
      'scoring  64 of 512 tokens  3.1 tok/s',
    ],
    [
      { activity: 'verifying', unit: 'pieces', done: 0, total: 9, detail: 'cpu:\tadd' },
      {},
      'verifying  0 of 9  cpu: add',
    ],
  ])('%j', (progress, rate, expected) => {
    expect(plainLine(progress, rate)).toBe(expected);
  });

  it.each<[Progress, number, string]>([
    [{ ...download, done: 98.4e6 }, 90e6, 'smollm2: downloading  98.4 MB of 98.4 MB  done in 9 s  10.0 MB/s'],
    [
      { activity: 'loading weights', unit: 'bytes', total: 98.4e6 },
      0,
      'loading weights  98.4 MB  done in 9 s',
    ],
    [{ activity: 'verifying', unit: 'pieces', done: 9, total: 9 }, 9, 'verifying  9 of 9  done in 9 s'],
  ])('at the end: %j', (progress, units, expected) => {
    expect(endLine(progress, units, 9)).toBe(expected);
  });
});
