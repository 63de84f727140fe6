import { describe, expect, it } from 'vitest';
import { BrailleCanvas } from '../../cli/terminal/plot/braille.ts';
import { themeOf } from '../../cli/terminal/theme.ts';

const PLAIN = themeOf({ color: 0, background: 'dark', ascii: false });
const ASCII = themeOf({ color: 0, background: 'dark', ascii: true });
const COLORS = themeOf({ color: 1, background: 'dark', ascii: false });
const same = (text: string) => text;

describe('dots', () => {
  it('every dot of a cell has its bit', () => {
    const all = [0, 1, 2, 3].flatMap((y) => [0, 1].map((x) => [x, y] as const));
    const glyphs = all.map(([x, y]) => {
      const canvas = new BrailleCanvas(1, 1);
      canvas.dot(x, y, same);
      return canvas.lines(PLAIN)[0];
    });
    expect(glyphs.join('')).toBe('⠁⠈⠂⠐⠄⠠⡀⢀');
  });

  it('points outside, or at NaN, are skipped', () => {
    const canvas = new BrailleCanvas(2, 1);
    for (const [x, y] of [
      [-1, 0],
      [4, 0],
      [0, 4],
      [Number.NaN, 0],
    ])
      canvas.dot(x!, y!, same);
    expect(canvas.lines(PLAIN)).toEqual(['  ']);
  });

  it('a segment includes both ends, in either direction', () => {
    const [there, back] = [new BrailleCanvas(4, 2), new BrailleCanvas(4, 2)];
    there.segment(0, 7, 7, 0, same);
    back.segment(7, 0, 0, 7, same);
    expect(there.lines(PLAIN)).toEqual(['  ⡠⠊', '⡠⠊  ']);
    expect(back.lines(PLAIN)).toEqual(there.lines(PLAIN));
  });

  it('without glyphs a cell shows which of its halves has dots', () => {
    const canvas = new BrailleCanvas(4, 1);
    canvas.dot(0, 1, same);
    canvas.dot(2, 2, same);
    canvas.segment(4, 0, 4, 3, same);
    expect(canvas.lines(ASCII)).toEqual(["'.: "]);
  });
});

describe('colours', () => {
  it('the last dot in a cell sets its colour; neighbours of one colour share a sequence', () => {
    const { ok, bad } = COLORS;
    const canvas = new BrailleCanvas(3, 1);
    canvas.segment(0, 0, 5, 0, ok);
    canvas.dot(5, 3, bad);
    expect(canvas.lines(COLORS)).toEqual([`${ok('⠉⠉')}${bad('⢉')}`]);
  });

  it('empty cells between two of a colour do not end it', () => {
    const { ok } = COLORS;
    const canvas = new BrailleCanvas(3, 1);
    canvas.dot(0, 0, ok);
    canvas.dot(4, 0, ok);
    expect(canvas.lines(COLORS)).toEqual([ok('⠁ ⠁')]);
  });
});

describe('letters', () => {
  it('cover dots, and move apart if two want the same cell', () => {
    const canvas = new BrailleCanvas(4, 1);
    canvas.segment(0, 0, 7, 0, same);
    for (const letter of 'ABC') canvas.letter(2, 0, letter, same);
    expect(canvas.lines(PLAIN)).toEqual(['CAB⠉']);
  });

  it('stay inside the canvas', () => {
    const canvas = new BrailleCanvas(2, 1);
    canvas.letter(100, -5, 'A', same);
    expect(canvas.lines(PLAIN)).toEqual([' A']);
  });
});
