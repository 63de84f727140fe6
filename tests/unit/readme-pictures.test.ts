import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { screenOf, windowSvg } from '../../scripts/terminal-svg.ts';
import { elementsOf } from './xml.ts';

const PLAIN = { ink: '#e6edf3', page: '#0d1117', bold: false, italic: false, underline: false };

async function cellsOf(line: string, columns = 4) {
  const { rows } = await screenOf([line], columns);
  return rows[0]!;
}

async function pictureOf(lines: readonly string[]): Promise<string> {
  return windowSvg(await screenOf(lines, 20), { title: 'a window', label: 'a label' });
}

/** The text elements of the screen: [attributes, content]. */
function textsOf(svg: string): [string, string][] {
  const inside = svg.slice(svg.indexOf('<g '));
  return [...inside.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes, text]) => [
    attributes!,
    text!,
  ]);
}

describe('the cells of a screen', () => {
  it('have the attributes of text', async () => {
    const [a, b, c, d] = await cellsOf('a\x1b[1mb\x1b[0;3mc\x1b[0;4md');
    expect(a).toEqual({ ...PLAIN, text: 'a' });
    expect(b).toEqual({ ...PLAIN, text: 'b', bold: true });
    expect(c).toEqual({ ...PLAIN, text: 'c', italic: true });
    expect(d).toEqual({ ...PLAIN, text: 'd', underline: true });
  });

  it.each([
    ['31', { ink: '#ff7b72' }],
    ['94', { ink: '#79c0ff' }],
    ['38;2;1;2;255', { ink: '#0102ff' }],
    ['38;5;1', { ink: '#ff7b72' }],
    ['38;5;16', { ink: '#000000' }],
    ['38;5;67', { ink: '#5f87af' }],
    ['38;5;231', { ink: '#ffffff' }],
    ['38;5;232', { ink: '#080808' }],
    ['38;5;255', { ink: '#eeeeee' }],
    ['48;2;16;32;48', { page: '#102030' }],
    ['7', { ink: PLAIN.page, page: PLAIN.ink }],
    ['7;31', { ink: PLAIN.page, page: '#ff7b72' }],
  ])('have the colours of SGR %s', async (sgr, look) => {
    const [cell] = await cellsOf(`\x1b[${sgr}mx`);
    expect(cell).toEqual({ ...PLAIN, ...look, text: 'x' });
  });

  it('are nearer to their page where text is dim', async () => {
    const [cell] = await cellsOf('\x1b[2;38;2;255;0;0;48;2;0;0;0mx');
    expect(cell).toMatchObject({ ink: '#9e0000', page: '#000000' });
  });

  it('are two for a wide character, and blank to the end of the row', async () => {
    expect((await cellsOf('字b')).map(({ text }) => text)).toEqual(['字', '', 'b', ' ']);
  });
});

describe('the picture of a screen', () => {
  it('is XML, whatever the screen says', async () => {
    const hostile = '</text><script>&"';
    const svg = await pictureOf([hostile, '\x1b[7m<&>\x1b[0m ▀█']);
    expect(new Set(elementsOf(svg))).toEqual(
      new Set(['svg', 'title', 'style', 'rect', 'path', 'circle', 'text', 'g']),
    );
    expect(textsOf(svg).map(([, text]) => text)).toEqual([
      '&lt;/text&gt;&lt;script&gt;&amp;&quot;',
      '&lt;&amp;&gt;',
    ]);
    expect(svg).toContain('aria-label="a label"');
    expect(svg).toContain('>a window</text>');
  });

  it('has a text for each run of one look, as long as its cells', async () => {
    const texts = textsOf(await pictureOf(['one two  \x1b[1mbold\x1b[0m x', '', ' 字x']));
    expect(texts).toEqual([
      [expect.stringMatching(/^x="0" y="15" textLength="63" fill="#e6edf3"$/), 'one two'],
      [expect.stringMatching(/^x="81" y="15" textLength="36" fill="#e6edf3" class="b"$/), 'bold'],
      [expect.stringMatching(/^x="126" y="15" textLength="9"/), 'x'],
      [expect.stringMatching(/^x="9" y="55" textLength="27"/), '字x'],
    ]);
  });

  it('draws blocks as shapes: those that touch are one', async () => {
    const svg = await pictureOf(['a███▌b', '▀▁']);
    expect(textsOf(svg).map(([, text]) => text)).toEqual(['a', 'b']);
    expect(svg).toContain('<path fill="#e6edf3" d="M9 0h31.5v20h-31.5zM0 20h9v10h-9zM9 37.5h9v2.5h-9z"/>');
  });

  it('draws backgrounds behind blocks and text', async () => {
    const svg = await pictureOf(['\x1b[41mab\x1b[0m█']);
    const parts = ['<path fill="#ff7b72" d="M0 0h18v20h-18z"/>', 'd="M18 0h9v20h-9z"', '>ab<'];
    const order = parts.map((part) => svg.indexOf(part));
    expect(order.toSorted((a, b) => a - b)).toEqual(order);
    expect(order[0]).toBeGreaterThan(0);
  });

  it('grows with the screen', async () => {
    const sizeOf = async (lines: readonly string[]) =>
      /viewBox="0 0 (\d+) (\d+)"/.exec(await pictureOf(lines))!;
    const [one, two] = [await sizeOf(['']), await sizeOf(['', ''])];
    expect(Number(one[1])).toBeGreaterThan(20 * 9);
    expect(Number(two[2]) - Number(one[2])).toBe(20);
  });
});

describe("README's pictures", () => {
  const root = resolve(import.meta.dirname, '../..');
  const readme = readFileSync(resolve(root, 'README.md'), 'utf8');
  const pictures = [...readme.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].map(([, words, file]) => ({
    words: words!,
    file: file!,
  }));

  it('are of the chat and of the benchmark, with words for those who cannot see them', () => {
    expect(pictures.map(({ file }) => file)).toEqual(['docs/pictures/chat.svg', 'docs/pictures/bench.svg']);
    for (const { words } of pictures) expect(words.length).toBeGreaterThan(20);
    expect(readme).not.toContain('<img');
  });

  it.each(pictures)('$file is small, well-formed, runs nothing and fetches nothing', ({ file }) => {
    const svg = readFileSync(resolve(root, file), 'utf8');
    expect(Buffer.byteLength(svg)).toBeLessThan(60_000);
    const elements = elementsOf(svg);
    expect(elements[0]).toBe('svg');
    expect(
      elements.filter((name) => /^(script|foreignObject|image|use|a|iframe|set|animate.*)$/.test(name)),
    ).toEqual([]);
    const references = svg
      .replace('xmlns="http://www.w3.org/2000/svg"', '')
      .match(/\bon\w+=|href|url\(|@import|https?:|data:/g);
    expect(references).toBeNull();
  });
});
