import { describe, expect, it } from 'vitest';
import { bar, rangeBar, sparkline } from '../../cli/terminal/plot/bars.ts';
import { heatmap } from '../../cli/terminal/plot/heat.ts';
import { type Look, themeOf } from '../../cli/terminal/theme.ts';

const look = (color: Look['color'], ascii = false, background: Look['background'] = 'dark') =>
  themeOf({ color, ascii, background });
const PLAIN = look(0);
const ASCII = look(0, true);

describe('bars', () => {
  it.each([
    [0, '    '],
    [0.5, '██  '],
    [1 / 32, '▏   '],
    [0.72, '██▉ '],
    [1, '████'],
    [7, '████'],
    [-1, '    '],
  ])('%f of four cells', (share, expected) => {
    expect(bar(share, 4, PLAIN)).toBe(expected);
  });

  it('without glyphs, only whole cells', () => {
    expect([0.4, 0.9].map((share) => bar(share, 4, ASCII))).toEqual(['##  ', '####']);
  });

  it('ranges have ends, a middle, and a reference line', () => {
    const range = { least: 0.2, middle: 0.4, most: 0.5, mark: 0.9 };
    expect(rangeBar(range, 11, PLAIN)).toBe('  ├─●┤   │ ');
    expect(rangeBar(range, 11, ASCII)).toBe('  +-*+   | ');
    expect(rangeBar({ least: -1, middle: 1, most: 3 }, 3, PLAIN)).toBe('├─●');
  });
});

describe('sparklines', () => {
  it('go from zero to the greatest', () => {
    expect(sparkline([0, 1, 2, 4, 8], PLAIN)).toBe('▁▂▃▅█');
    expect(sparkline([0, 0], PLAIN)).toBe('▁▁');
    expect(sparkline([], PLAIN)).toBe('');
    expect(sparkline([0, 8], ASCII)).toBe('.@');
  });

  it('keep the maximum of each interval of many values', () => {
    expect(sparkline([0, 8, 0, 0, 0, 0], PLAIN, 3)).toBe('█▁▁');
    expect(sparkline([1, 1], PLAIN, 3)).toBe('██');
  });
});

describe('heat', () => {
  const rows = [
    [0, 1],
    [0.5, 0.25],
    [1, 0],
  ];

  it('two rows share a line of half blocks; an odd last row has no background', () => {
    expect(heatmap(rows, look(3))).toEqual([
      '\x1b[38;2;0;0;4m\x1b[48;2;188;55;84m▀\x1b[49m\x1b[39m\x1b[38;2;252;255;164m\x1b[48;2;87;16;110m▀\x1b[49m\x1b[39m',
      '\x1b[38;2;252;255;164m▀\x1b[39m\x1b[38;2;0;0;4m▀\x1b[39m',
    ]);
  });

  it('with 256 colours, uses the nearest; on a light background cold is light', () => {
    expect(heatmap([[1], [0]], look(2))[0]).toMatch(/^\x1b\[38;5;\d+m\x1b\[48;5;\d+m▀/);
    expect(heatmap([[0]], look(3, false, 'light'))).toEqual(['\x1b[38;2;255;255;204m▀\x1b[39m']);
  });

  it('with fewer colours, uses a line a row, in shades', () => {
    expect(heatmap(rows, PLAIN)).toEqual([' █', '▒░', '█ ']);
    expect(heatmap(rows, look(1))).toEqual([' █', '▒░', '█ ']);
    expect(heatmap(rows, ASCII)).toEqual([' #', ':.', '# ']);
    expect(heatmap(rows, look(3, true))).toEqual([' #', ':.', '# ']);
  });

  it('values beyond the scale, and those that are not numbers, use its ends', () => {
    const ends = heatmap([[-1, 2, Number.NaN]], look(3))[0]!;
    expect(ends.match(/38;2;[\d;]+m/g)).toEqual(['38;2;0;0;4m', '38;2;252;255;164m', '38;2;0;0;4m']);
  });
});
