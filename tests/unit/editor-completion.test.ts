import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import stringWidth from 'string-width';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { themeOf } from '../../cli/terminal/theme.ts';
import { type Completion, chosenBy, layoutMenu, menuOf, ranked } from '../../cli/tui/editor/completion.ts';
import { fileSource, mentionBefore } from '../../cli/tui/editor/files.ts';

describe('ranking', () => {
  const rank = (query: string, ...names: string[]) => ranked(names, query, (name) => name);

  it('puts the name itself first, then prefixes, then letters in order', () => {
    expect(rank('mo', 'demo', 'Model', 'mo', 'memory', 'more', 'none')).toEqual([
      'mo',
      'Model',
      'more',
      'demo',
      'memory',
    ]);
  });

  it('keeps the given order among equals, and returns all without a query', () => {
    expect(rank('', 'b', 'a')).toEqual(['b', 'a']);
    expect(rank('aa', 'a', 'xaxa')).toEqual(['xaxa']);
  });
});

describe('the menu', () => {
  const theme = themeOf({ color: 0, background: 'dark', ascii: false });
  const offer = (count: number): Completion => ({
    start: 0,
    end: 0,
    items: Array.from({ length: count }, (_, i) => ({ value: `v${i}`, label: `label ${i}`, detail: 'why' })),
  });

  it('marks the chosen entry and wraps around', () => {
    const menu = chosenBy(menuOf(offer(2)), 1);
    expect(menu).toMatchObject({ chosen: 1 });
    expect(layoutMenu(menu, { columns: 40, theme })).toEqual(['  label 0  why', '▸ label 1  why']);
    expect(chosenBy(menu, 1).chosen).toBe(0);
    expect(chosenBy(menuOf(offer(2)), -1).chosen).toBe(1);
  });

  it('shows the entries around the chosen one, and counts them, in eight rows', () => {
    let menu = menuOf(offer(30));
    for (let i = 0; i < 12; i++) menu = chosenBy(menu, 1);
    const lines = layoutMenu(menu, { columns: 40, theme });
    expect(lines).toHaveLength(8);
    expect(lines[3]).toBe('▸ label 12  why');
    expect(lines[7]).toBe('  13 of 30');
    expect(layoutMenu(chosenBy(menuOf(offer(30)), -1), { columns: 40, theme })[6]).toBe('▸ label 29  why');
  });

  it('does not shrink while it is open', () => {
    const menu = menuOf(offer(1), menuOf(offer(5)));
    expect(layoutMenu(menu, { columns: 40, theme })).toEqual(['▸ label 0  why', ' ', ' ', ' ', ' ']);
  });

  it('keeps within the columns', () => {
    const wide = { value: '', label: '你好世界'.repeat(5), detail: 'a detail that is long' };
    for (const columns of [5, 12, 30, 50]) {
      const [line] = layoutMenu(menuOf({ start: 0, end: 0, items: [wide] }), { columns, theme });
      expect(stringWidth(line!)).toBeLessThan(columns);
    }
  });
});

describe('the mention before the cursor', () => {
  it.each<[string, ReturnType<typeof mentionBefore>]>([
    ['@', { start: 0, path: '' }],
    ['see @src/ma', { start: 4, path: 'src/ma' }],
    ['(@a', { start: 1, path: 'a' }],
    ['@"my file', { start: 0, path: 'my file' }],
    ['me@home', undefined],
    ['@done ', undefined],
    ['@"closed"', undefined],
  ])('of %j', (text, mention) => {
    expect(mentionBefore(text)).toEqual(mention);
  });
});

describe('paths after @', () => {
  const folder = mkdtempSync(join(tmpdir(), 'percept-files-'));
  beforeAll(() => {
    for (const name of ['src/deep', 'two words', '.hidden']) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    for (const name of ['README.md', 'src/main.ts', 'src/a b.txt', 'two words/x.ts', '.env', 'we"ird']) {
      writeFileSync(join(folder, name), '');
    }
    symlinkSync(join(folder, 'src'), join(folder, 'link'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'broken'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const source = fileSource(folder);
  const values = async (text: string) => (await source(text, text.length))?.items.map(({ value }) => value);

  it('are the entries of the folder, without hidden ones', async () => {
    expect(await values('see @')).toEqual(['@README.md', '@broken', '@link/', '@src/', '@"two words/']);
    expect(await values('@.')).toEqual(['@.env', '@.hidden/']);
  });

  it('replace the mention up to the cursor', async () => {
    const completion = await source('a\nsee @R, or', 8);
    expect(completion).toMatchObject({ start: 6, end: 8 });
    expect(completion?.items[0]).toEqual({ value: '@README.md', label: 'README.md' });
  });

  it('continue after folders', async () => {
    expect(await values('@src/')).toEqual(['@src/', '@"src/a b.txt"', '@src/deep/', '@src/main.ts']);
    expect(await values('@src/mn')).toEqual(['@src/main.ts']);
    expect(await values('@"two words/')).toEqual(['@"two words/"', '@"two words/x.ts"']);
    expect((await source('@sr', 3))?.items).toEqual([{ value: '@src/', label: 'src/', partial: true }]);
  });

  it('may be absolute or in the home directory', async () => {
    expect(await values(`@${folder}/REA`)).toEqual([`@${folder}/README.md`]);
    expect((await source('@~/', 3))?.items.every(({ value }) => /^@"?~\//.test(value))).toBe(true);
  });

  it('are none without a folder or a mention', async () => {
    expect(await values('@none/x')).toEqual([]);
    expect(source('nothing', 7)).toBeUndefined();
    expect(source('a@b', 3)).toBeUndefined();
  });
});
