/** Control sequences never reach the terminal, wherever a model writes them. */
import { describe, expect, it } from 'vitest';
import { renderMarkdown } from '../../cli/terminal/text/markdown.ts';
import { renderSource } from '../../cli/terminal/text/source-stream.ts';
import { MarkdownStream } from '../../cli/terminal/text/stream.ts';
import { themeOf } from '../../cli/terminal/theme.ts';

const HOSTILE: readonly (readonly [what: string, text: string])[] = [
  ['a title', '\x1b]0;title\x07'],
  ['an erased screen', '\x1b[2J'],
  ['the clipboard', '\x1b]52;c;aGk=\x07'],
  ['a link of its own', '\x1b]8;;https://bad.org\x07x\x1b]8;;\x07'],
  ['colours of its own', '\x1b[31mred\x1b[0m'],
  ['C1', '\x9b2J\x9d0;t\x9c'],
  ['a return', 'safe\b\b\b\bfail\x7f'],
  ['an override', '\u202egnp.exe\u2066\u061c'],
  ['references', '&#27;[2J&#x9b;1m&#x202e;&#7;&#13;'],
];

const PLACES: readonly (readonly [where: string, place: (text: string) => string])[] = [
  ['a paragraph', (text) => `a ${text} b`],
  ['strong text', (text) => `**a ${text}** b`],
  ['inline code', (text) => `\`a ${text}\``],
  ['LaTeX', (text) => `$a${text}$ \\(${text}\\)\n\n\\[\n${text}\n\\]`],
  ['a heading', (text) => `# a ${text}`],
  ['code', (text) => `\`\`\`js\nlet a = "${text}"; // ${text}\n${text}`],
  ['the language of code', (text) => `\`\`\`${text}\na\n\`\`\``],
  ['indented code', (text) => `    a ${text}`],
  ['a link', (text) => `[a](<https://b.c/${text}>) [${text}](https://b.c)`],
  ['a bare address', (text) => `https://b.c/${text} <https://b.c/${text}>`],
  ['an image', (text) => `![${text}](https://b.c/${text} "${text}")`],
  ['a table', (text) => `| ${text} | b |\n|---|---|\n| c | ${text} |`],
  ['a list', (text) => `- a\n- [ ] ${text}\n  - ${text}`],
  ['a quote', (text) => `> a ${text}`],
  ['HTML', (text) => `<div title="${text}">\n${text}\n</div>\n\na <b ${text}>c</b>`],
  ['a definition', (text) => `[a]: https://b.c/${text} "${text}"\n\n[a]`],
];

const OWN = /\x1b\[(?:[1-9]|2[0-9]|3[0-79]|9[0-7])m|\x1b\]8;;(?:(?:https?:\/\/|mailto:)[!-~]+)?\x07/g;
const CONTROLS = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

describe.each(PLACES)('in %s', (_, place) => {
  it.each(HOSTILE)('%s is made visible', (_, text) => {
    const theme = themeOf({ color: 1, background: 'dark', ascii: false });
    for (const columns of [12, 80]) {
      const options = { columns, theme, hyperlinks: true };
      const source = place(text);
      const stream = new MarkdownStream(options);
      const lines = [...source].flatMap((character) => [...stream.push(character), ...stream.live()]);
      lines.push(...stream.end(), ...renderMarkdown(source, options));
      for (const line of lines) expect(line.replace(OWN, '')).not.toMatch(CONTROLS);
      for (const line of renderSource(source, options)) expect(line).not.toMatch(CONTROLS);
    }
  });
});

describe('links', () => {
  const theme = themeOf({ color: 1, background: 'dark', ascii: false });
  const targets = (source: string) =>
    [
      ...renderMarkdown(source, { columns: 200, theme, hyperlinks: true })
        .join('\n')
        .matchAll(/\x1b\]8;;([^\x07]*)\x07/g),
    ]
      .map((match) => match[1])
      .filter((target) => target !== '');

  it('contain only printable ASCII', () => {
    expect(targets('[a](<https://b.c/d e\u00e4\u202ef;g>)')).toEqual(['https://b.c/d%20e%C3%A4%EF%BF%BDf;g']);
    expect(targets('[a](https://b.c/&#27;&#7;x)')).toEqual(['https://b.c/%E2%90%9B%E2%90%87x']);
    expect(targets('[a](https://\u0430pple.com)')).toEqual(['https://xn--pple-43d.com/']);
  });

  it('lead only to the web and to mail', () => {
    for (const url of [
      'javascript:alert(1)',
      'JaVaScRiPt:x',
      'file:///etc/passwd',
      'vscode://x',
      '//b.c',
      'https:',
      '',
    ]) {
      expect(targets(`[a](${url})`)).toEqual([]);
    }
  });
});
