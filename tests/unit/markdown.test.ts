import { describe, expect, it } from 'vitest';
import { renderMarkdown } from '../../cli/terminal/text/markdown.ts';
import { type Look, themeOf } from '../../cli/terminal/theme.ts';

const PLAIN: Look = { color: 0, background: 'dark', ascii: true };
const COLORED: Look = { color: 1, background: 'dark', ascii: false };

function render(source: string, columns = 40, look = PLAIN, hyperlinks = false): string[] {
  return renderMarkdown(source, { columns, theme: themeOf(look), hyperlinks });
}

const colored = (source: string, columns = 40) => render(source, columns, COLORED);
const linked = (source: string) => render(source, 60, COLORED, true);

describe('text', () => {
  it('wraps paragraphs and separates them by an empty line', () => {
    expect(render('one two three\nfour\n\n\nfive', 10)).toEqual(['one two', 'three four', '', 'five']);
    expect(render('')).toEqual([]);
    expect(render('\n \n')).toEqual([]);
  });

  it('keeps hard breaks of the source', () => {
    expect(render('a  \nb\\\nc<br>d<BR/>e\nf')).toEqual(['a', 'b', 'c', 'd', 'e f']);
  });

  it('draws emphasis', () => {
    expect(colored('**a** *b* ~~c~~ `d` **e *f***')).toEqual([
      '\x1b[1ma\x1b[22m \x1b[3mb\x1b[23m \x1b[9mc\x1b[29m \x1b[33md\x1b[39m \x1b[1me \x1b[3mf\x1b[23m\x1b[22m',
    ]);
  });

  it('keeps the marks of code and strikethrough without colours', () => {
    expect(render('**a** *b* ~~c~~ ``d ` e``')).toEqual(['a b ~~c~~ `d ` e`']);
  });

  it('handles marks across a break', () => {
    expect(colored('**one two**', 5)).toEqual(['\x1b[1mone\x1b[22m', '\x1b[1mtwo\x1b[22m']);
  });

  it('decodes references, but not in code', () => {
    expect(render('&lt;b&gt; &amp;amp; &copy; &#65;&#x42; &nope; `&lt;`')).toEqual([
      '<b> &amp; © AB &nope; `&lt;`',
    ]);
  });

  it('does not change escapes, HTML and words with underscores', () => {
    expect(render('\\*a\\* <b>c</b> snake_case_name 2 * 3 * 4')).toEqual([
      '*a* <b>c</b> snake_case_name 2 * 3 * 4',
    ]);
  });

  it('does not change LaTeX', () => {
    expect(render('\\(a_1 * b_1 * c\\) and $x*y*z$ for $5 and *$6*', 60)).toEqual([
      '\\(a_1 * b_1 * c\\) and $x*y*z$ for $5 and $6',
    ]);
    expect(render('\\[\na *b*\n- c\n\\]\n*after*')).toEqual(['\\[', 'a *b*', '- c', '\\]', '', 'after']);
    expect(render('$$\n= x_1\n\nopen')).toEqual(['$$', '= x_1', '', 'open']);
    expect(render('so $$a\n= b$$ is')).toEqual(['so $$a', '= b$$ is']);
  });
});

describe('headings and rules', () => {
  it('draws headings bold, in the accent', () => {
    expect(colored('## A *b*\ntext')).toEqual([
      '\x1b[36m\x1b[1mA \x1b[3mb\x1b[23m\x1b[22m\x1b[39m',
      '',
      'text',
    ]);
    expect(colored('# A')).toEqual(['\x1b[4m\x1b[36m\x1b[1mA\x1b[22m\x1b[39m\x1b[24m']);
  });

  it('keeps their marks without colours', () => {
    expect(render('# A #\n\n## B\n#\n\n####### C')).toEqual(['# A', '', '## B', '', '####### C']);
  });

  it('reads a line of dashes under text as a rule', () => {
    expect(render('A\n===\n\nB\n---\nC', 10)).toEqual(['A ===', '', 'B', '', '----------', '', 'C']);
  });

  it('draws rules over the whole width', () => {
    expect(render('a\n\n---\n***\nb', 10)).toEqual(['a', '', '----------', '', '----------', '', 'b']);
  });
});

describe('lists', () => {
  it('indents wrapped lines', () => {
    expect(render('- one two three\n- four', 10)).toEqual(['* one two', '  three', '* four']);
    expect(render('9. one two three\n10) a\n', 10)).toEqual(['9. one two', '   three', '', '10) a']);
  });

  it('numbers from the first number on', () => {
    expect(render('3. a\n3. b\n7. c')).toEqual(['3. a', '4. b', '5. c']);
    expect(render('0. a\n0. b')).toEqual(['0. a', '1. b']);
  });

  it('nests', () => {
    expect(render('- a\n  1. b\n     - c\n       d\n- - e\n- > f\n-')).toEqual([
      '* a',
      '  1. b',
      '     * c d',
      '* * e',
      '* | f',
      '*',
    ]);
  });

  it('keeps empty lines of the source', () => {
    expect(render('- a\n\n- b\n- c\n\n  d\n  ```\n  e\n  ```\n\n  f')).toEqual([
      '* a',
      '',
      '* b',
      '* c',
      '',
      '  d',
      '  | e',
      '',
      '  f',
    ]);
  });

  it('marks tasks', () => {
    expect(render('- [x] a\n- [ ] b\n- c\n\n1. [X] d')).toEqual(['[x] a', '[ ] b', '* c', '', '1. [x] d']);
    expect(colored('- [x] a\n- [ ] *b*\n\n- c')).toEqual([
      '\x1b[36m●\x1b[39m a',
      '\x1b[36m○\x1b[39m \x1b[3mb\x1b[23m',
      '',
      '\x1b[36m•\x1b[39m c',
    ]);
  });

  it('stops indenting if too little width is left', () => {
    expect(render('- a\n  - b\n    - c\n      - one two', 10)).toEqual([
      '* a',
      '  * b',
      '    *',
      '    c',
      '    *',
      '    one',
      '    two',
    ]);
  });
});

describe('quotes', () => {
  it('draws a bar', () => {
    expect(render('> one two three\nlazy\n>\n> - a\n>   b\n>> c', 12)).toEqual([
      '| one two',
      '| three lazy',
      '|',
      '| * a b',
      '|',
      '| | c',
    ]);
    expect(colored('> a\n>\n> b')).toEqual(['\x1b[2m▏\x1b[22m a', '\x1b[2m▏\x1b[22m', '\x1b[2m▏\x1b[22m b']);
  });
});

describe('code', () => {
  it('draws a rule and the language', () => {
    expect(render('```js\nif (a)\n\n\tb\n```\n~~~\n```\n~~~')).toEqual([
      '| js',
      '| if (a)',
      '|',
      '|     b',
      '',
      '| ```',
    ]);
    expect(colored('```js\nif\n```')).toEqual(['\x1b[2m│ js\x1b[22m', '\x1b[2m│\x1b[22m \x1b[35mif\x1b[39m']);
  });

  it('wraps long lines and keeps all spaces', () => {
    expect(render('```\nabcdef  gh\n```', 8)).toEqual(['| abcdef', '|   gh']);
  });

  it('takes the first word of the line as the language', () => {
    expect(render('```js {1} title="a"\n```')).toEqual(['| js']);
    expect(render('```{.py}\n```')).toEqual(['|']);
  });

  it('accepts fences of other lengths, and the end of the text as a fence', () => {
    expect(render('````\n```\na\n```\n````\nb')).toEqual(['| ```', '| a', '| ```', '', 'b']);
    expect(render('```\na\n``` x\n')).toEqual(['| a', '| ``` x']);
    expect(render('```\na\n\n')).toEqual(['| a', '|']);
  });

  it('accepts indented code, and removes the indentation of a fence', () => {
    expect(render('    a\n\n      b\n\nc')).toEqual(['| a', '|', '|   b', '', 'c']);
    expect(render('  ```\n  a\n b\n    c\n  ```')).toEqual(['| a', '| b', '|   c']);
  });

  it('accepts code within lists and quotes', () => {
    expect(render('1. a\n   ```sh\n   ls\n   ```\n> ```\n> **b**\n> ```')).toEqual([
      '1. a',
      '   | sh',
      '   | ls',
      '',
      '| | **b**',
    ]);
  });
});

describe('tables', () => {
  const TABLE = '| a | **b** | c |\n|:--|:-:|--:|\n| 1 | 你好 | x |\n| long | y | 12.5 |';

  it('draws lines and aligns', () => {
    expect(render(TABLE)).toEqual([
      '| a    |  b   |    c |',
      '+------+------+------+',
      '| 1    | 你好 |    x |',
      '| long |  y   | 12.5 |',
    ]);
    expect(colored('a|b\n-|-')).toEqual([
      '\x1b[2m│\x1b[22m \x1b[1ma\x1b[22m \x1b[2m│\x1b[22m \x1b[1mb\x1b[22m \x1b[2m│\x1b[22m',
      '\x1b[2m├───┼───┤\x1b[22m',
    ]);
  });

  it('wraps the widest cells, and then separates rows', () => {
    expect(render('a|b\n-|-\none two three|x\nfour|y', 17)).toEqual([
      '| a         | b |',
      '+-----------+---+',
      '| one two   | x |',
      '| three     |   |',
      '+-----------+---+',
      '| four      | y |',
    ]);
  });

  it('accepts missing cells, breaks and escaped bars', () => {
    expect(render('a|b\n-|-\n1\n2<br>3|`4\\|5`|6')).toEqual([
      '| a | b     |',
      '+---+-------+',
      '| 1 |       |',
      '+---+-------+',
      '| 2 | `4|5` |',
      '| 3 |       |',
    ]);
  });

  it('become records if columns would be too narrow', () => {
    expect(render('name|what it is|\n-|-\nalpha beta|first one\ngamma|', 16)).toEqual([
      'name: alpha',
      '  beta',
      'what it is:',
      '  first one',
      '',
      'name: gamma',
      'what it is:',
    ]);
    expect(render('name name|what what\n-|-', 12)).toEqual(['name name', 'what what']);
  });
});

describe('links and images', () => {
  it('prints addresses if the terminal does not support links', () => {
    expect(render('[a *b*](https://c.de/?f=1&amp;g=2 "title") and <https://h.ij>', 80)).toEqual([
      'a b (https://c.de/?f=1&g=2) and https://h.ij',
    ]);
    expect(render('see www.a.bc or d@e.fg', 80)).toEqual(['see www.a.bc or d@e.fg']);
    expect(render('![a b](c.png) [![d](e.png)](https://f.gh) [g]() ![]()', 80)).toEqual([
      '[image: a b] (c.png) [image: d] (https://f.gh) g [image: ]',
    ]);
  });

  it('uses OSC 8 if the terminal supports it', () => {
    expect(linked('[a](https://c.de/f)')).toEqual(['\x1b]8;;https://c.de/f\x07\x1b[4ma\x1b[24m\x1b]8;;\x07']);
    expect(render('[a](https://c.de/f)', 60, PLAIN, true)).toEqual(['a (https://c.de/f)']);
  });

  it('shows the address of a text that looks like another one', () => {
    expect(linked('[https://good.org](https://bad.org/)')).toEqual([
      '\x1b]8;;https://bad.org/\x07\x1b[4mhttps://good.org\x1b[24m\x1b]8;;\x07 \x1b[2m(https://bad.org/)\x1b[22m',
    ]);
  });

  it('makes links only of http, https and mailto', () => {
    for (const url of ['javascript:alert(1)', 'file:///etc/passwd', 'data:text/html,x', 'a/b', '#c']) {
      expect(linked(`[a](${url})`)).toEqual([`\x1b[4ma\x1b[24m \x1b[2m(${url})\x1b[22m`]);
    }
    expect(linked('<d@e.fg>')).toEqual(['\x1b]8;;mailto:d@e.fg\x07\x1b[4md@e.fg\x1b[24m\x1b]8;;\x07']);
  });

  it('treats definitions and references as text', () => {
    expect(render('[a] and [b][a]\n\n[a]: https://c.de')).toEqual([
      '[a] and [b][a]',
      '',
      '[a]: https://c.de',
    ]);
  });

  it('does not extend an open anchor over later links', () => {
    expect(linked('<a href="x">\n\nhttps://c.de').at(-1)).toContain('\x1b]8;;https://c.de/\x07');
  });
});

describe('HTML', () => {
  it('is unchanged', () => {
    expect(render('<div>\n  *a*\n</div>\n\n<!-- b\n\nc -->')).toEqual([
      '<div>',
      '  *a*',
      '</div>',
      '',
      '<!-- b',
      '',
      'c -->',
    ]);
  });
});

describe('input that breaks marked', () => {
  it('draws deeply nested blocks', () => {
    for (const mark of ['> ', '- ', '1. ', '>', '- > ']) {
      const lines = render(`${mark.repeat(5000)}x\n\nend`, 80);
      expect(lines.at(-1)).toBe('end');
      expect(lines.join('')).toContain('x');
    }
  });

  it('draws a lazy line after an empty list in a quote after text in an item', () => {
    expect(render('- a\n  > -\n  b')).toEqual(['* a', '  | *', '  b']);
  });

  it('takes linear time', () => {
    const leastTime = (source: string) =>
      Math.min(
        ...Array.from({ length: 3 }, () => {
          const start = performance.now();
          render(source);
          return performance.now() - start;
        }),
      );
    const short = leastTime('_a_b'.repeat(2000));
    expect(leastTime('_a_b'.repeat(20_000))).toBeLessThan(40 * short); // 100 times if quadratic
  });
});
