import { describe, expect, it } from 'vitest';
import { renderMarkdown } from '../../cli/terminal/text/markdown.ts';
import { renderSource, SourceStream } from '../../cli/terminal/text/source-stream.ts';
import { MarkdownStream } from '../../cli/terminal/text/stream.ts';
import { type Look, themeOf } from '../../cli/terminal/theme.ts';

const PLAIN: Look = { color: 0, background: 'dark', ascii: true };
const COLORED: Look = { color: 1, background: 'dark', ascii: false };

const optionsOf = (columns: number, look: Look) => ({ columns, theme: themeOf(look), hyperlinks: false });

function streamOf(columns = 40, look = PLAIN): MarkdownStream {
  return new MarkdownStream(optionsOf(columns, look));
}

/** Rendering of `tail` while nothing else has come. */
function live(tail: string, look = PLAIN): string[] {
  const stream = streamOf(60, look);
  return [...stream.push(tail), ...stream.live()];
}

describe('final lines', () => {
  it('are all blocks but the last', () => {
    const stream = streamOf();
    expect(stream.push('# A\none ')).toEqual([]);
    expect(stream.live()).toEqual(['# A', '', 'one']);
    expect(stream.push('two\n')).toEqual(['# A']);
    expect(stream.live()).toEqual(['', 'one two']);
    expect(stream.push('\n')).toEqual([]);
    expect(stream.push('---\nb')).toEqual(['', 'one two']);
    expect(stream.end()).toEqual(['', '-'.repeat(40), '', 'b']);
    expect(stream.live()).toEqual([]);
  });

  it('are all items of a list but the last', () => {
    const stream = streamOf();
    expect(stream.push('7. a\n7. b\n')).toEqual(['7. a']);
    expect(stream.push('\n1. c\n   more\n')).toEqual(['8. b']);
    expect(stream.live()).toEqual(['', '9. c more']);
    expect(stream.push('1. d\n')).toEqual(['', '9. c more']);
    expect(stream.push('\nend\n')).toEqual(['10. d']);
    expect(stream.end()).toEqual(['', 'end']);
  });

  it('restart the numbers in another list', () => {
    const stream = streamOf();
    const lines = [...stream.push('5. a\n6. b\n\n1) c\n2) d\n'), ...stream.end()];
    expect(lines).toEqual(['5. a', '6. b', '', '1) c', '2) d']);
  });

  it('are all lines of code', () => {
    const stream = streamOf();
    expect(stream.push('a\n```js\nb\n  c')).toEqual(['a', '', '| js', '| b']);
    expect(stream.live()).toEqual(['|   c']);
    expect(stream.push('\n\n``')).toEqual(['|   c', '|']);
    expect(stream.live()).toEqual([]);
    expect(stream.push('` d\n```\ne')).toEqual(['| ``` d']);
    expect(stream.live()).toEqual(['', 'e']);
    expect(stream.end()).toEqual(['', 'e']);
  });

  it('keep the colours of a comment over pieces', () => {
    const stream = streamOf(40, COLORED);
    const lines = [...stream.push('```js\n/* a\n'), ...stream.push('if\n'), ...stream.live()];
    expect(lines.slice(1)).toEqual([
      '\x1b[2m│\x1b[22m \x1b[2m/* a\x1b[22m',
      '\x1b[2m│\x1b[22m \x1b[2mif\x1b[22m',
    ]);
    expect(stream.push('b */ if')).toEqual([]);
    expect(stream.live()).toEqual(['\x1b[2m│\x1b[22m \x1b[2mb */\x1b[22m \x1b[35mif\x1b[39m']);
  });

  it('include empty code, and a fence that ends with the text', () => {
    const empty = streamOf();
    expect(empty.push('```\n')).toEqual([]);
    expect(empty.push('```\n~~~py\n')).toEqual(['|', '', '| py']);
    expect(empty.push('~~~\n')).toEqual([]);
    expect(empty.end()).toEqual([]);
    const stream = streamOf();
    stream.push('```\na\n```');
    expect(stream.end()).toEqual([]);
  });

  it('start over after the end', () => {
    const stream = streamOf();
    stream.push('1. a\n1. b\n\n```\nc\n');
    stream.end();
    expect(stream.push('1. a\n\n')).toEqual([]);
    expect(stream.end()).toEqual(['1. a']);
  });

  it('wait for the other half of a line end and of a character', () => {
    const stream = streamOf();
    expect(stream.push('a\n\nb\r')).toEqual([]);
    expect(stream.push('\nc \ud83d')).toEqual(['a']);
    expect(stream.live()).toEqual(['', 'b c']);
    stream.push('\ude00');
    expect(stream.end()).toEqual(['', 'b c 😀']);
  });
});

describe('resize', () => {
  it('redraws lines that are not final', () => {
    const stream = streamOf(12);
    const final = stream.push('one two three\n\none two three\n');
    expect(final).toEqual(['one two', 'three']);
    stream.resize(40);
    expect(stream.live()).toEqual(['', 'one two three']);
    expect(stream.push('```\nabcdef')).toEqual(['', 'one two three', '']);
    stream.resize(5);
    expect(stream.live()).toEqual(['| abc', '| def']);
    expect(stream.end()).toEqual(['| abc', '| def']);
  });
});

describe('incomplete text', () => {
  const bold = (text: string) => `\x1b[1m${text}\x1b[22m`;
  const italic = (text: string) => `\x1b[3m${text}\x1b[23m`;

  it.each([
    ['a **bo', `a ${bold('bo')}`],
    ['a **bold ', `a ${bold('bold')}`],
    ['a **bold*', `a ${bold('bold')}`],
    ['a **', 'a'],
    ['a *', 'a'],
    ['a **b *c', `a ${bold(`b ${italic('c')}`)}`],
    ['a **b *c*', `a ${bold(`b ${italic('c')}`)}`],
    ['a ***b', `a ${italic(bold('b'))}`],
    ['a ***b*', `a ${italic(bold('b'))}`],
    ['**a** b *c', `${bold('a')} b ${italic('c')}`],
    ['__a', bold('a')],
    ['a ~~b', 'a \x1b[9mb\x1b[29m'],
    ['a `b *c', 'a \x1b[33mb *c\x1b[39m'],
    ['a `', 'a'],
    ['a ``b ` c`', 'a \x1b[33mb ` c\x1b[39m'],
    ['**a `b', bold('a \x1b[33mb\x1b[39m')],
    ['这是**重', `这是${bold('重')}`],
    ['- **a\n- b **c', `\x1b[36m•\x1b[39m **a;\x1b[36m•\x1b[39m b ${bold('c')}`],
    ['> *a', `\x1b[2m▏\x1b[22m ${italic('a')}`],
    ['[a](https://b.c/d', '\x1b[4ma\x1b[24m \x1b[2m(https://b.c/d)\x1b[22m'],
    ['**[a](htt', bold('\x1b[4ma\x1b[24m \x1b[2m(htt)\x1b[22m\x1b[1m')],
    ['![a](b', '\x1b[4m[image: a]\x1b[24m \x1b[2m(b)\x1b[22m'],
  ])('is shown as if it were closed: %j', (tail, expected) => {
    expect(live(tail, COLORED).join(';')).toBe(expected);
  });

  it.each(['a snake_case', '2 * 3', 'a ~5', 'x[0', 'a (b) c', '`a` b'])('is unchanged: %j', (tail) => {
    expect(live(tail)).toEqual([tail]);
  });

  it.each([
    ['a\n-', 'a'],
    ['a\n--', 'a'],
    ['a\n=', 'a'],
    ['a\n#', 'a'],
    ['a\n```', 'a'],
    ['a\n```py', 'a'],
    ['a\n~~~', 'a'],
    ['a\n1', 'a'],
    ['a\n12.', 'a'],
    ['a\n>', 'a'],
    ['a\n> -', 'a'],
    ['a\n- [x', 'a'],
    ['a\n|', 'a'],
    ['a &am', 'a '],
    ['a &#12', 'a '],
    ['a\\', 'a'],
    ['a <br', 'a '],
    ['a 👨\u200d', 'a 👨'],
    ['a 🇫', 'a '],
    ['a 🇫🇷🇩', 'a 🇫🇷'],
    ['a\n$$', 'a'],
    ['-', ''],
    ['*', ''],
    ['##', ''],
    ['```py', ''],
  ])('has its end held back: %j', (tail, expected) => {
    expect(live(tail).join('\n')).toBe(expected.trim());
  });

  it('shows the head of a table as a table', () => {
    const table = ['| a | b |', '+---+---+'];
    expect(live('| a | b')).toEqual(table);
    expect(live('| a | b |\n')).toEqual(table);
    expect(live('x\n\n| a | b |\n|--')).toEqual(['x', '', ...table]);
    expect(live('| a | **b')).toEqual(table);
    expect(live('| a | b |\n|---|---|\n| **c')).toEqual([...table, '| c |   |']);
  });

  it('leaves code in lists unchanged', () => {
    expect(live('- a\n  ```\n  **b')).toEqual(['* a', '  | **b']);
    expect(live('- a\n  ```\n  b\n  ```\n  **c')).toEqual(['* a', '  | b', '  c']);
  });

  it('never shows a mark that disappears later', () => {
    const source = `# A **b** c

One **two three** *four* and ***five*** then **six *seven* eight**, ~~nine~~ and \`ten\`.

1. **Eleven**: *twelve*
   - **thirteen** __fourteen__
2. > **fifteen**

| **a** | *b* |
|-------|-----|
| **c** | ~~d~~ |

[**e**](https://f.gh) **i**`;
    const stream = streamOf(80, COLORED);
    for (const character of source) {
      stream.push(character);
      expect(stream.live().join('\n')).not.toMatch(/\*|__|~|`|\]\(|^\s*\||-{2}/m);
    }
  });

  it('finally shows the final text', () => {
    const source = 'a *b*\n\n- c\n  - d\n\n| e | f |\n|---|---|\n| g | h |\n';
    const options = optionsOf(40, COLORED);
    const stream = new MarkdownStream(options);
    const lines = stream.push(source);
    const shown = stream.live();
    expect([...lines, ...shown]).toEqual(renderMarkdown(source, options));
    expect(stream.end()).toEqual(shown);
  });
});

describe('a block without end', () => {
  const sentence = 'The **quick** brown fox `jumps` over the *lazy* dog. ';

  it.each([
    ['a paragraph', sentence.repeat(400)],
    ['a paragraph of lines', `${sentence}\n`.repeat(400)],
    ['a quote', `> ${sentence}\n`.repeat(400)],
    ['an item', `- a\n\n${`  ${sentence}\n\n`.repeat(400)}`],
    ['a table', `| a | b |\n|---|---|\n${`| **c** | ${sentence} |\n`.repeat(300)}`],
    ['one word', 'x'.repeat(20_000)],
  ])('is shown whole: %s', (_, source) => {
    const options = optionsOf(80, PLAIN);
    const stream = new MarkdownStream(options);
    const final: string[] = [];
    let lines = 0;
    for (let i = 0; i < source.length; i += 500) {
      final.push(...stream.push(source.slice(i, i + 500)));
      const shown = final.length + stream.live().length;
      expect(shown).toBeGreaterThan(0.95 * lines); // nothing disappears
      lines = shown;
    }
    expect(stream.live().join(' ')).not.toContain('**');
    expect(lines).toBeGreaterThan(0.9 * renderMarkdown(source, options).length);
    expect([...final, ...stream.end()]).toEqual(renderMarkdown(source, options));
  });

  it('is parsed again only in part', () => {
    const stream = streamOf(80);
    const time = (count: number) => {
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        stream.push(sentence);
        stream.live();
      }
      return performance.now() - start;
    };
    time(40);
    const first = time(80);
    time(600);
    expect(Math.min(time(80), time(80))).toBeLessThan(5 * first); // about 9 times if all were parsed
  });
});

describe('a long paragraph', () => {
  const prose = 'word and word, '.repeat(40);

  it('is final except for its last lines', () => {
    const stream = streamOf(40);
    const lines = stream.push(prose);
    expect(lines.length).toBeGreaterThan(10);
    expect(stream.live().length).toBeLessThan(6);
    expect([...lines, ...stream.push('end.\n\nnext'), ...stream.end()]).toEqual(
      renderMarkdown(`${prose}end.\n\nnext`, optionsOf(40, PLAIN)),
    );
  });

  it.each(['*', '`', '[', '<', '$', '|', '~', '_'])('waits until an open %s is decided', (mark) => {
    const stream = streamOf(40);
    expect(stream.push(`${mark}${prose}`)).toEqual([]);
    const rest = [...stream.push(mark), ...stream.end()];
    expect(rest).toEqual(renderMarkdown(`${mark}${prose}${mark}`, optionsOf(40, PLAIN)));
  });

  it('continues after closed marks, in their colours', () => {
    const stream = streamOf(40, COLORED);
    const source = `**bold** and \`code\` ${prose}`;
    const lines = stream.push(source);
    expect(lines.length).toBeGreaterThan(10);
    expect([...lines, ...stream.end()]).toEqual(renderMarkdown(source, optionsOf(40, COLORED)));
  });

  it('changes its width at the current place', () => {
    const stream = streamOf(40);
    const lines = stream.push(prose);
    stream.resize(20);
    const rest = [...stream.push('at the end'), ...stream.end()];
    for (const line of rest) expect(line.length).toBeLessThanOrEqual(20);
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');
    expect(words([...lines, ...rest].join(' '))).toEqual(words(`${prose}at the end`));
  });
});

describe('SourceStream', () => {
  it('shows the marks, line by line', () => {
    const stream = new SourceStream({ columns: 10 });
    expect(stream.push('# A **b**\n- one two')).toEqual(['# A **b**']);
    expect(stream.live()).toEqual(['- one two']);
    expect(stream.push(' three\n\n  four five six')).toEqual(['- one two', 'three', '']);
    expect(stream.live()).toEqual(['  four', '  five six']);
    stream.resize(20);
    expect(stream.end()).toEqual(['  four five six']);
    expect(stream.live()).toEqual([]);
  });

  it('prints an endless line in parts', () => {
    const stream = new SourceStream({ columns: 40 });
    const source = 'word '.repeat(2000);
    expect(stream.push(source).length).toBeGreaterThan(150);
    expect(stream.live().length).toBeLessThan(60);
    stream.end();
    expect(stream.push(source).concat(stream.end())).toEqual(renderSource(source, { columns: 40 }));
  });
});
