import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { themeOf } from '../../cli/terminal/theme.ts';
import { type EditorState, EMPTY, edit, linesOf } from '../../cli/tui/editor/buffer.ts';
import { layoutEditor } from '../../cli/tui/editor/layout.ts';
import { rowsOf } from '../../cli/tui/editor/wrap.ts';

const theme = themeOf({ color: 0, background: 'dark', ascii: false });
const ascii = themeOf({ color: 0, background: 'dark', ascii: true });

function stateOf(text: string, row = 0, col = 0): EditorState {
  return { ...EMPTY, lines: linesOf(text), row, col };
}

function layout(state: EditorState, columns: number, maxRows = 10) {
  return layoutEditor(state, { columns, maxRows, theme });
}

function drawn(line: string, width: number): string[] {
  return rowsOf(line, width, []).map(({ cells }) => cells.map(({ text }) => text).join(''));
}

describe('soft wrap', () => {
  it.each<[string, number, string[]]>([
    ['', 5, ['']],
    ['hello', 5, ['hello']],
    ['hello world', 5, ['hello', 'world']],
    ['hello big world', 9, ['hello big', 'world']],
    ['hello  world', 5, ['hello', ' ', 'world']],
    ['hello ', 5, ['hello', '']],
    ['abcdefgh', 5, ['abcde', 'fgh']],
    ['ab cdefghij', 5, ['ab ', 'cdefg', 'hij']],
    ['你好世界', 5, ['你好', '世界']],
    ['a你好b', 3, ['a你', '好b']],
    ['word你好', 6, ['word你', '好']],
    ['你', 1, ['\ufffd']],
  ])('of %j in %i columns', (line, width, rows) => {
    expect(drawn(line, width)).toEqual(rows);
  });

  it('never makes a row too wide or loses an offset', () => {
    const line = 'mixed 你好 text\twith 👨‍👩‍👧‍👦 and cafe\u0301, a-very-long-word-indeed \u202eand 🇫🇷🇫🇷';
    for (let width = 2; width < 40; width++) {
      const rows = rowsOf(line, width, []);
      expect(rows[0]!.start).toBe(0);
      expect(rows.at(-1)!.end).toBe(line.length);
      for (const [i, row] of rows.entries()) {
        if (i > 0) expect(row.start).toBe(rows[i - 1]!.end);
        expect(stringWidth(row.cells.map(({ text }) => text).join(''))).toBeLessThanOrEqual(width);
      }
    }
  });

  it('breaks a line of ASCII at the same places as one of other letters', () => {
    const line = 'a  aba abba  abacaba ab cadabraabracadabra    a ';
    for (let width = 2; width < 50; width++) {
      const bounds = (text: string) => rowsOf(text, width, []).map(({ start, end }) => [start, end]);
      expect(bounds(line)).toEqual(bounds(line.replaceAll('b', 'ß')));
    }
  });

  it('makes control characters visible, and shows long pastes by their size', () => {
    expect(drawn('a\u202eb\u009bc', 20)).toEqual(['a\ufffdb\ufffdc']);
    const pasted = edit(stateOf('x '), { type: 'paste', text: 'y\n'.repeat(42) });
    expect(layout(pasted, 80).lines).toEqual(['› [pasted #1, 42 lines]x ']);
    expect(layout(edit(EMPTY, { type: 'paste', text: 'y'.repeat(812) }), 80).lines).toEqual([
      '› [pasted #1, 812 characters]',
    ]);
    expect(layout(pasted, 20).lines).toEqual(['› [pasted #1, 42 li', '  x ']);
  });
});

describe('the layout', () => {
  it('has a gutter with the prompt, and a placeholder without text', () => {
    expect(layout(stateOf('a\nb', 1, 1), 80)).toMatchObject({
      lines: ['› a', '  b'],
      cursor: { x: 3, y: 1 },
    });
    const empty = { columns: 12, maxRows: 5, placeholder: 'Ask anything' };
    expect(layoutEditor(EMPTY, { ...empty, theme })).toMatchObject({
      lines: ['› Ask anyt…'],
      cursor: { x: 2, y: 0 },
    });
    expect(layoutEditor(EMPTY, { ...empty, theme: ascii }).lines).toEqual(['> Ask an...']);
  });

  it('leaves the last column free, except for the cursor', () => {
    const { lines, cursor } = layout(stateOf('abcdefg', 0, 7), 10);
    expect(lines).toEqual(['› abcdefg']);
    expect(cursor).toEqual({ x: 9, y: 0 });
    expect(layout(stateOf('abcdefgh', 0, 7), 10)).toMatchObject({ cursor: { x: 2, y: 1 } });
  });

  it('counts cells, not characters, to the cursor', () => {
    expect(layout(stateOf('你好x', 0, 2), 80).cursor).toEqual({ x: 6, y: 0 });
    expect(layout(stateOf('👨‍👩‍👧‍👦x', 0, 11), 80).cursor).toEqual({ x: 4, y: 0 });
    expect(layout(stateOf('\tx', 0, 1), 80).cursor).toEqual({ x: 6, y: 0 });
  });

  const tall = '1\n2\n3\n4\n5\n6\n7\n8\n9';

  it('scrolls to the cursor and marks what is hidden', () => {
    const bottom = layout(stateOf(tall, 8, 1), 80, 3);
    expect(bottom).toMatchObject({ lines: ['↑ 7', '  8', '  9'], hiddenAbove: 6, hiddenBelow: 0 });
    const top = layout(stateOf(tall), 80, 3);
    expect(top).toMatchObject({ lines: ['› 1', '  2', '↓ 3'], hiddenAbove: 0, hiddenBelow: 6 });
    expect(layout(stateOf(tall, 4), 80, 1)).toMatchObject({ lines: ['↑ 5'], cursor: { x: 2, y: 0 } });
  });

  it('scrolls as little as possible', () => {
    const options = { columns: 80, maxRows: 3, theme };
    let { top, lines } = layoutEditor(stateOf(tall, 8), options);
    ({ top, lines } = layoutEditor(stateOf(tall, 7), { ...options, top }));
    expect(lines).toEqual(['↑ 7', '  8', '  9']);
    ({ top, lines } = layoutEditor(stateOf(tall, 5), { ...options, top }));
    expect(lines).toEqual(['↑ 6', '  7', '↓ 8']);
    ({ top, lines } = layoutEditor(stateOf(tall, 7), { ...options, top }));
    expect(lines).toEqual(['↑ 6', '  7', '↓ 8']);
  });

  it('fills its rows when the text becomes shorter', () => {
    const { top } = layoutEditor(stateOf(tall, 8), { columns: 80, maxRows: 3, theme });
    const { lines } = layoutEditor(stateOf('1\n2\n3\n4', 3), { columns: 80, maxRows: 3, theme, top });
    expect(lines).toEqual(['↑ 2', '  3', '  4']);
    const single = layoutEditor(stateOf('1'), { columns: 80, maxRows: 3, theme, top });
    expect(single.lines).toEqual(['› 1']);
  });

  it('scrolls within one long line', () => {
    const state = stateOf('abcdefghijklmnopqrstuvwxyz', 0, 26);
    expect(layout(state, 8, 2)).toMatchObject({
      hiddenAbove: 1,
      hiddenBelow: 0,
    });
    const { lines, cursor } = layout(state, 8, 2);
    expect(lines).toEqual(['↑ uvwxy', '  z']);
    expect(cursor).toEqual({ x: 3, y: 1 });
    expect(layout({ ...state, col: 12 }, 8, 2)).toMatchObject({
      lines: ['↑ fghij', '↓ klmno'],
      hiddenAbove: 1,
      hiddenBelow: 1,
    });
  });

  it('fits the narrowest of terminals', () => {
    for (const columns of [1, 2, 3, 5]) {
      const { lines } = layout(stateOf('你好 abc', 0, 3), columns, 2);
      expect(lines.length).toBeLessThanOrEqual(2);
    }
  });
});
