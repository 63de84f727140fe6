/** Random Markdown documents, seeded, in random pieces. */
import stringWidth from 'string-width';
import { expect, it } from 'vitest';
import { renderMarkdown } from '../../cli/terminal/text/markdown.ts';
import { renderSource, SourceStream } from '../../cli/terminal/text/source-stream.ts';
import { MarkdownStream } from '../../cli/terminal/text/stream.ts';
import { type Look, themeOf } from '../../cli/terminal/theme.ts';
import { type Random, seeded } from '../random.ts';

const pick = <T>(random: Random, items: readonly T[]): T => items[random(items.length)]!;

// One entry a line; \n, \r, \t and so on are literal.
const FRAGMENTS = String.raw`
- |* |+ |1. |2) |10. |  |    |\t|\n|\n|\n\n|\n\n|\n\n\n|\r\n|\r|> |>|>> |# |## |###### x #|===\n|---\n|***\n|___|- - -\n
\u0060\u0060\u0060|\u0060\u0060\u0060js\n|\u0060\u0060\u0060\n|~~~\n|~~~ py\n|\u0060\u0060\u0060\u0060\n|   \u0060\u0060\u0060\n|\u0060|\u0060\u0060
*|**|***|_|__|~~|~|[|](|http://a.b/c_d_e|)|![|<b>|</b>|<div>|</div>\n|<!-- |-->|<br>|<x>|<script>\n|</script>\n|<?
<a href="x">|&amp;|&#27;|&#x202e;|[x]: http://u\n|[x]|[ ] |[x] |\\|\\[\n|\\]\n|$$\n|$x$|$|\\(|\\)|word|text more|foo bar baz qux
你好|，|👍🏽|🇫🇷|👨‍👩‍👧|é|\u0301|\u200d|\ufe0f|\ud83d|\ude00|\x1b[2J|\x1b]0;t\x07|\x07|\x9b|\u202e|\0|\u2028
/* |*/|"""|'|"|{|}|# c|42|1|2|.|!|https://x.y/z|a@b.cd|x = 1;|def f():|$ ls| |  \n|   - |      `
  .trim()
  .split(/[|\n]/)
  .map(unescaped)
  .concat('|', '| a | b |\n', '|---|:-:|\n', 'a|b\n-|-\n');

function unescaped(text: string): string {
  return JSON.parse(
    `"${text.replaceAll('"', '\\"').replace(/\\x(..)|\\0/g, (_, hex = '00') => `\\u00${hex}`)}"`,
  );
}

const INDENTS = ['', '', '', '', ' ', '  ', '   ', '    ', '     ', '\t', '      ', '         '];
const PREFIXES =
  '|||- |- |* |+ |1. |2. |3. |10. |1) |> |> |>|> - |- > |- - |1. - |- [ ] |- [x] |# |### |-|1.|*'.split('|');
const BODIES = [
  ...[
    '',
    '',
    '',
    'text',
    'text *em* x',
    '**bold',
    'more** text',
    '`code` y',
    'foo  ',
    'foo\\',
    '42',
    '你好世界',
    '👍🏽 ok',
  ],
  ...[
    '```',
    '```js',
    '```',
    '~~~',
    '~~~',
    '````py',
    '---',
    '===',
    '=',
    '-',
    '***',
    '- ',
    '1. ',
    '# h',
    '> q',
  ],
  ...[
    '| a | b |',
    '|---|---|',
    '| 1 | 2 |',
    'a|b',
    '-|-',
    ':-:|-',
    '\\[',
    '\\]',
    '$$',
    'x = "a',
    '/* c',
    '*/',
    '"""',
  ],
  ...['<div>', '</div>', '<b>', '<!-- c', '-->', '<script>', '</script>', '<x y="1">', '<?php', '?>'],
  ...['[x]: http://u', '[link](http://x', 'y) z'],
];

function glued(random: Random): string {
  const count = 1 + random(random(4) === 0 ? 80 : 25);
  return Array.from({ length: count }, () => pick(random, FRAGMENTS)).join('');
}

function lined(random: Random): string {
  const line = () => pick(random, INDENTS) + pick(random, PREFIXES) + pick(random, BODIES);
  const lines = Array.from({ length: 1 + random(40) }, () => line() + (random(12) === 0 ? '\r\n' : '\n'));
  return lines.join('').slice(0, random(2) === 0 ? undefined : -1);
}

const LOOKS: readonly Look[] = [
  { color: 0, background: 'dark', ascii: true },
  { color: 1, background: 'dark', ascii: false },
  { color: 3, background: 'light', ascii: false },
];

const CASES = Array.from({ length: 600 }, (_, seed) => {
  const random = seeded(seed);
  const document = (random(4) === 0 ? glued : lined)(random);
  const options = {
    columns: 10 + random(111),
    theme: themeOf(pick(random, LOOKS)),
    hyperlinks: random(2) === 0,
  };
  return { seed, random, document, options };
});

/** Pieces of 1 to `longest` code units; half characters and half line ends among them. */
function pieces(document: string, random: Random): string[] {
  const longest = pick(random, [3, 12, 60]);
  const found: string[] = [];
  for (let i = 0; i < document.length; i += found.at(-1)!.length) {
    found.push(document.slice(i, i + 1 + random(longest)));
  }
  return found;
}

const SEQUENCES = /\x1b\[[\d;]*m|\x1b\]8;;[!-~]*\x07/g;
const CONTROLS = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

function expectHarmless(lines: readonly string[], columns: number, seed: number): void {
  for (const line of lines) {
    expect(stringWidth(line), `seed ${seed}`).toBeLessThanOrEqual(columns);
    expect(line.replace(SEQUENCES, ''), `seed ${seed}`).not.toMatch(CONTROLS);
  }
}

it('gives the same lines as the whole document, for any pieces', () => {
  let early = 0;
  for (const { seed, random, document, options } of CASES) {
    const stream = new MarkdownStream(options);
    const lines: string[] = [];
    for (const piece of pieces(document, random)) {
      lines.push(...stream.push(piece));
      if (random(4) === 0) expectHarmless(stream.live(), options.columns, seed);
    }
    early += lines.length;
    lines.push(...stream.end());
    expect(lines, `seed ${seed}`).toEqual(renderMarkdown(document, options));
    expect(stream.live()).toEqual([]);
  }
  expect(early).toBeGreaterThan(8 * CASES.length); // lines come early, not only at the end
});

it('prints only text and its own sequences, and no line is too wide', () => {
  for (const { seed, document, options } of CASES) {
    const lines = renderMarkdown(document, options);
    expectHarmless(lines, options.columns, seed);
    if (options.theme.look.color === 0) expect(lines.join('\n')).not.toContain('\x1b');
  }
});

it('gives the same source lines for any pieces', () => {
  for (const { seed, random, document, options } of CASES.slice(0, 400)) {
    const source = random(8) === 0 ? document.replaceAll('\n', ' ').repeat(20) : document;
    const stream = new SourceStream(options);
    const lines = pieces(source, random).flatMap((piece) => stream.push(piece));
    expectHarmless(stream.live(), options.columns, seed);
    lines.push(...stream.end());
    expect(lines, `seed ${seed}`).toEqual(renderSource(source, options));
    expectHarmless(lines, options.columns, seed);
  }
});
