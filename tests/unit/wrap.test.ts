import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { clusters, columnsOf, padded } from '../../cli/terminal/text/width.ts';
import {
  foldLines,
  hangingLines,
  paragraph,
  sourceLines,
  truncate,
  wrapLines,
  wrapWords,
} from '../../cli/terminal/text/wrap.ts';

const BOLD = '\x1b[1m';
const DIM = '\x1b[2m';
const BOLD_END = '\x1b[22m';
const RED = '\x1b[31m';
const COLOR_END = '\x1b[39m';
const LINK = '\x1b]8;;https://a.b/\x07';
const LINK_END = '\x1b]8;;\x07';
const FAMILY = '👨‍👩‍👧‍👦';

describe('columnsOf', () => {
  it('agrees with string-width on every character of the basic plane', () => {
    const wrong: string[] = [];
    for (let code = 0x20; code < 0x1_0000; code += code < 0x3400 ? 1 : 7) {
      if ((code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code < 0xe000)) continue;
      const character = String.fromCharCode(code);
      if (columnsOf(character) !== stringWidth(character)) wrong.push(code.toString(16));
    }
    expect(wrong).toEqual([]);
  });

  it('counts clusters as one character and escapes as none', () => {
    expect([...clusters(`e\u0301你${FAMILY}`)]).toEqual([
      { text: 'e\u0301', width: 1 },
      { text: '你', width: 2 },
      { text: FAMILY, width: 2 },
    ]);
    expect(columnsOf(`${RED}${LINK}ab${LINK_END}${COLOR_END}`)).toBe(2);
    expect(padded(`${RED}你${COLOR_END}`, 4)).toBe(`${RED}你${COLOR_END}  `);
  });
});

describe('wrapLines', () => {
  it('keeps words whole and drops spaces at breaks', () => {
    expect(wrapLines('hello world foo', 5)).toEqual(['hello', 'world', 'foo']);
    expect(wrapLines('one two  three', 9)).toEqual(['one two', 'three']);
    expect(wrapLines('', 9)).toEqual(['']);
    expect(wrapLines('a\n\nb', 9)).toEqual(['a', '', 'b']);
  });

  it('cuts only words that are longer than a line', () => {
    expect(wrapLines('see abcdefghijkl end', 5)).toEqual(['see', 'abcde', 'fghij', 'kl', 'end']);
  });

  it('breaks between ideographs, but not before closing or after opening punctuation', () => {
    expect(wrapLines('你好，世界。你好', 6)).toEqual(['你好，', '世界。', '你好']);
    expect(wrapLines('说「你好」', 5)).toEqual(['说', '「你', '好」']);
    expect(wrapLines('你好hello世界', 5)).toEqual(['你好', 'hello', '世界']);
  });

  it('keeps clusters whole', () => {
    expect(wrapLines(FAMILY.repeat(3), 4)).toEqual([FAMILY.repeat(2), FAMILY]);
    expect(wrapLines('e\u0301'.repeat(5), 2)).toEqual(['e\u0301e\u0301', 'e\u0301e\u0301', 'e\u0301']);
  });

  it('starts and ends colours and links in every line', () => {
    expect(wrapLines(`a ${BOLD}b ${RED}cc dd${COLOR_END}${BOLD_END} e`, 4)).toEqual([
      `a ${BOLD}b${BOLD_END}`,
      `${BOLD}${RED}cc${COLOR_END}${BOLD_END}`,
      `${BOLD}${RED}dd${COLOR_END}${BOLD_END} e`,
    ]);
    expect(wrapLines(`${LINK}one two${LINK_END}`, 4)).toEqual([
      `${LINK}one${LINK_END}`,
      `${LINK}two${LINK_END}`,
    ]);
  });

  it('combines bold and dim, and keeps the last colour', () => {
    expect(wrapLines(`${BOLD}${DIM}${RED}\x1b[38;5;9maa bb`, 2)[1]).toBe(
      `${BOLD}${DIM}\x1b[38;5;9mbb\x1b[39m${BOLD_END}${BOLD_END}`,
    );
  });

  it('keeps the indentation, but never wider than the line', () => {
    expect(wrapLines('  aa bb', 5)).toEqual(['  aa', 'bb']);
    expect(wrapLines(`${' '.repeat(30)}aa`, 5)).toEqual(['aa']);
    expect(wrapLines('\taa bb', 7)).toEqual(['    aa', 'bb']);
  });

  it('replaces a single character that is wider than a line', () => {
    const heap = `क${'ा'.repeat(12)}`;
    for (const line of wrapLines(`a ${heap} b`, 8)) expect(stringWidth(line)).toBeLessThanOrEqual(8);
  });
});

describe('other lines', () => {
  it('indents wrapped lines', () => {
    expect(hangingLines('name: one two three', 12, 2)).toEqual(['name: one', '  two three']);
    expect(hangingLines('one two three', 8, 4)).toEqual(['one two', 'three']);
  });

  it('keeps the indentation of a source', () => {
    expect(sourceLines('  one two three\n\n- a', 10)).toEqual(['  one two', '  three', '', '- a']);
  });

  it('fills the lines of code', () => {
    expect(foldLines('\tif (x)  y', 8)).toEqual(['    if (', 'x)  y']);
    expect(foldLines('a\n', 8)).toEqual(['a', '']);
    expect(foldLines(`${RED}abcd${COLOR_END}`, 2)).toEqual([`${RED}ab${COLOR_END}`, `${RED}cd${COLOR_END}`]);
  });
});

describe('truncate', () => {
  it('marks the cut', () => {
    expect(truncate('hello', 5, '…')).toBe('hello');
    expect(truncate('hello!', 5, '…')).toBe('hell…');
    expect(truncate('你好世界', 6, '…')).toBe('你好…');
    expect(truncate(`${RED}hello!${COLOR_END}`, 5, '...')).toBe(`${RED}he${COLOR_END}...`);
    expect(truncate(`${LINK}hello!${LINK_END}`, 5, '…')).toBe(`${LINK}hell${LINK_END}…`);
    expect(truncate('hello', 2, '...')).toBe('..');
    expect(truncate('hello', 0, '…')).toBe('');
  });
});

describe('words that are kept whole', () => {
  it('make a line too long rather than break', () => {
    expect(wrapWords('see /a/long/path now', 6)).toEqual(['see', '/a/long/path', 'now']);
    expect(wrapWords('你好 世界', 5)).toEqual(['你好', '世界']);
  });

  it('are the lines of a paragraph, indented', () => {
    const words = 'word '.repeat(20).trim();
    const lines = paragraph(words, 2).split('\n');
    expect(lines.map((line) => line.match(/^ */)![0].length)).toEqual([2, 4, 0]);
    expect(lines.every((line) => line.length <= 80)).toBe(true);
  });
});
