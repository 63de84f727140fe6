import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { themeOf } from '../../cli/terminal/theme.ts';
import { newer, older, PromptHistory } from '../../cli/tui/editor/history.ts';
import { layoutSearch, NEW_SEARCH, searchFor, searchOn } from '../../cli/tui/editor/search.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const newPath = () => join(folder, `${files++}`, 'history.jsonl');
const texts = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).text);

describe('the history file', () => {
  it('keeps prompts for the next session, one object a line, for the user alone', () => {
    const path = newPath();
    const history = PromptHistory.open(path);
    expect(history.entries).toEqual([]);
    for (const text of ['one', 'two\nlines', 'two\nlines', ' ', 'ünï']) history.add(text);
    expect(PromptHistory.open(path).entries).toEqual(['one', 'two\nlines', 'ünï']);
    expect(texts(path)).toEqual(['one', 'two\nlines', 'ünï']);
    if (process.platform !== 'win32') {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    }
  });

  it('takes entries of two sessions at once', () => {
    const path = newPath();
    const [first, second] = [PromptHistory.open(path), PromptHistory.open(path)];
    first.add('a');
    second.add('b');
    first.add('c');
    expect(first.entries).toEqual(['a', 'c']);
    expect(PromptHistory.open(path).entries).toEqual(['a', 'b', 'c']);
  });

  it('tolerates a damaged last line, and does not append to it', () => {
    const path = newPath();
    PromptHistory.open(path).add('whole');
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"text":"half`);
    const history = PromptHistory.open(path);
    expect(history.entries).toEqual(['whole']);
    history.add('next');
    expect(PromptHistory.open(path).entries).toEqual(['whole', 'next']);
  });

  it('skips lines that are not entries', () => {
    const path = newPath();
    PromptHistory.open(path).add('x');
    writeFileSync(path, '{"text":1}\nnull\n[]\n\n"text"\n{"text":"y"}\n{"text":"y"}\n');
    expect(PromptHistory.open(path).entries).toEqual(['y']);
  });

  it('is truncated to 1,000 entries once it exceeds 1,250', () => {
    const path = newPath();
    PromptHistory.open(path).add('first');
    const write = (count: number) =>
      writeFileSync(path, Array.from({ length: count }, (_, i) => `{"text":"${i}"}\n`).join(''));
    write(1250);
    expect(PromptHistory.open(path).entries).toHaveLength(1250);
    expect(texts(path)).toHaveLength(1250);
    write(1251);
    expect(PromptHistory.open(path).entries).toHaveLength(1000);
    expect(texts(path)[0]).toBe('251');
    expect(texts(path)).toHaveLength(1000);
  });

  it('is readable even if it cannot be truncated', () => {
    const path = newPath();
    PromptHistory.open(path).add('first');
    writeFileSync(path, Array.from({ length: 1300 }, (_, i) => `{"text":"${i}"}\n`).join(''));
    mkdirSync(`${path}.${process.pid}`); // blocks the path of the new file
    expect(PromptHistory.open(path).entries).toHaveLength(1000);
    expect(texts(path)).toHaveLength(1300);
  });

  it('does not store very long prompts, but remembers them', () => {
    const path = newPath();
    const history = PromptHistory.open(path);
    history.add('short');
    history.add('x'.repeat(70_000));
    expect(history.entries).toHaveLength(2);
    expect(PromptHistory.open(path).entries).toEqual(['short']);
  });

  it('reports that it cannot be written, and continues without', () => {
    const path = newPath();
    const history = PromptHistory.open(path);
    writeFileSync(dirname(path), ''); // blocks the path of its folder
    expect(() => history.add('remembered')).toThrow('Writing the prompt history');
    expect(history.entries).toEqual(['remembered']);
  });

  it('reports that it cannot be read', () => {
    expect(() => PromptHistory.open(folder)).toThrow('Reading the prompt history');
  });
});

describe('walking through the history', () => {
  const entries = ['old', 'new'];

  it('goes back to the first entry and forward to the draft', () => {
    const first = older(entries, undefined, 'draft')!;
    expect(first).toEqual({ index: 1, draft: 'draft' });
    const second = older(entries, first, 'edited')!;
    expect(second).toEqual({ index: 0, draft: 'draft' });
    expect(older(entries, second, '')).toBeUndefined();
    expect(newer(entries, second)).toEqual(first);
    expect(newer(entries, first)).toBeUndefined();
  });

  it('does nothing in an empty history', () => {
    expect(older([], undefined, '')).toBeUndefined();
  });
});

describe('searching the history', () => {
  const entries = ['List files', 'write tests', 'list folders', 'list folders', 'Write a poem'];

  it('finds the latest entry first, then older and newer ones', () => {
    const first = searchFor(entries, 'li');
    expect(first).toEqual({ query: 'li', found: 3, failed: false });
    const second = searchOn(entries, first, -1);
    expect(second).toEqual({ query: 'li', found: 0, failed: false });
    expect(searchOn(entries, second, -1)).toEqual({ query: 'li', found: 0, failed: true });
    expect(searchOn(entries, second, 1).found).toBe(2);
  });

  it('is case-sensitive if the query has upper case', () => {
    expect(searchFor(entries, 'write').found).toBe(4);
    expect(searchFor(entries, 'Li').found).toBe(0);
    expect(searchFor(entries, 'LI')).toEqual({ query: 'LI', found: undefined, failed: true });
  });

  it('begins without a match', () => {
    expect(searchFor(entries, '')).toEqual(NEW_SEARCH);
    expect(searchOn(entries, NEW_SEARCH, -1)).toBe(NEW_SEARCH);
  });

  const page = { columns: 40, maxRows: 3, theme: themeOf({ color: 0, background: 'dark', ascii: false }) };

  it('shows the query, and the entry from the line that matches', () => {
    const found = searchFor(['one\ntwo\nthree\nfour'], 'w');
    expect(layoutSearch(found, ['one\ntwo\nthree\nfour'], page)).toEqual({
      lines: ['search history: w', '  two', '  three'],
      cursor: { x: 17, y: 0 },
    });
    expect(layoutSearch(searchFor(entries, 'xyz'), entries, page).lines).toEqual([
      'search history: xyz  not found',
    ]);
  });

  it('marks the match, also far to the right', () => {
    const entry = `${'word '.repeat(20)}needle and more`;
    const color = { ...page, theme: themeOf({ color: 1, background: 'dark', ascii: false }) };
    const { lines } = layoutSearch(searchFor([entry], 'needle'), [entry], color);
    expect(lines[1]).toContain('\x1b[7mneedle\x1b[27m');
  });
});
