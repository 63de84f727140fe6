import { describe, expect, it } from 'vitest';
import { highlight, LineHighlighter } from '../../cli/terminal/text/highlight.ts';
import { type SyntaxRole, type Theme, themeOf } from '../../cli/terminal/theme.ts';

const COLORED = themeOf({ color: 1, background: 'dark', ascii: false });

/** Writes roles instead of colours: keyword`if`. */
const named = (name: string) => (text: string) => `${name}‹${text}›`;
const ROLES: readonly SyntaxRole[] = ['keyword', 'string', 'number', 'comment', 'title', 'type', 'meta'];
const NAMED: Theme = {
  ...COLORED,
  ok: named('ok'),
  bad: named('bad'),
  syntax: Object.fromEntries(ROLES.map((role) => [role, named(role)])) as Theme['syntax'],
};

describe('highlight', () => {
  it('gives every part its role', () => {
    expect(highlight('const x = f(1, "a"); // b', 'js', NAMED)).toBe(
      'keyword‹const› x = title‹f›(number‹1›, string‹"a"›); comment‹// b›',
    );
    expect(highlight('class Foo { get() { return this.x ?? null; } }', 'ts', NAMED)).toBe(
      'keyword‹class› type‹Foo› { title‹get›() { keyword‹return› keyword‹this›.x ?? keyword‹null›; } }',
    );
    expect(highlight('-a\n+b\n c', 'diff', NAMED)).toBe('bad‹-a›\nok‹+b›\n c');
  });

  it('leaves code inside strings plain', () => {
    expect(highlight('f"a {x} b"', 'python', NAMED)).toBe('string‹f"a ›{x}string‹ b"›');
  });

  it.each([
    ['bash', 'if true; then echo "a"; fi', 'keyword‹if›'],
    ['sh', 'for f in a; do', 'keyword‹for›'],
    ['console', '$ ls', 'meta‹$ ›'],
    ['c', 'int x;', 'type‹int›'],
    ['c++', 'template<typename T>', 'keyword‹template›'],
    ['css', 'a { color: red; }', 'title‹color›'],
    ['go', 'func f() {}', 'keyword‹func›'],
    ['html', '<b id="x">', 'title‹id›'],
    ['java', 'public void f() {}', 'keyword‹public›'],
    ['json', '{"a": [1]}', 'title‹"a"›'],
    ['jsonc', '// a', 'comment‹// a›'],
    ['md', '# a', 'title‹# a›'],
    ['Python', 'def f(): pass', 'keyword‹def› title‹f›'],
    ['rs', 'fn f() {}', 'keyword‹fn›'],
    ['sql', 'SELECT 1', 'keyword‹SELECT›'],
    ['tsx', 'type A = string', 'keyword‹type›'],
    ['yml', 'a: true', 'keyword‹true›'],
  ])('knows %s', (language, code, expected) => {
    expect(highlight(code, language, NAMED)).toContain(expected);
  });

  it('does not change code of an unknown language, or any code without colours', () => {
    const code = 'if x then "y" -- z';
    for (const language of ['', 'text', 'nope', 'constructor', '__proto__']) {
      expect(highlight(code, language, NAMED)).toBe(code);
    }
    const plain = themeOf({ color: 0, background: 'dark', ascii: true });
    expect(highlight('const x = 1;', 'js', plain)).toBe('const x = 1;');
  });

  it('uses only SGR sequences', () => {
    expect(highlight('return 1', 'js', COLORED)).toBe('\x1b[35mreturn\x1b[39m \x1b[33m1\x1b[39m');
  });
});

describe('LineHighlighter', () => {
  it('continues comments and strings over lines', () => {
    expect(highlight('/* a\n b\n*/ c();', 'js', NAMED)).toBe(
      'comment‹/* a›\ncomment‹ b›\ncomment‹*/› title‹c›();',
    );
    expect(highlight('"""a\nif b\n"""\nif c', 'py', NAMED)).toBe(
      'string‹"""a›\nstring‹if b›\nstring‹"""›\nkeyword‹if› c',
    );
    expect(highlight('cat <<EOF\nif $x\nEOF\nif', 'bash', NAMED)).toBe(
      'type‹cat› <<string‹EOF›\nstring‹if $x›\nstring‹EOF›\nkeyword‹if›',
    );
  });

  it('continues a comment that is longer than its look-back', () => {
    const lines = highlight(`/*\n${' if\n'.repeat(100)}*/\nif`, 'js', NAMED).split('\n');
    expect(lines.slice(1, -2)).toEqual(Array(100).fill('comment‹ if›'));
    expect(lines.slice(-2)).toEqual(['comment‹*/›', 'keyword‹if›']);
  });

  it('gives scripts and style sheets of a page their own colours', () => {
    const page = '<script>\nif (`a\nb`) c;\n</script>\n<style>\n/* a\nb */\n</style>\n<b>';
    expect(highlight(page, 'html', NAMED).split('\n')).toEqual([
      '<keyword‹script›>',
      'keyword‹if› (string‹`a›',
      'string‹b`›) c;',
      '</keyword‹script›>',
      '<keyword‹style›>',
      'comment‹/* a›',
      'comment‹b */›',
      '</keyword‹style›>',
      '<keyword‹b›>',
    ]);
  });

  it('drops an unfinished line', () => {
    const highlighter = new LineHighlighter('js', NAMED);
    expect(highlighter.unfinishedLine('/* a')).toBe('comment‹/* a›');
    expect(highlighter.line('if')).toBe('keyword‹if›');
    expect(highlighter.line('/* a')).toBe('comment‹/* a›');
    expect(highlighter.unfinishedLine('b')).toBe('comment‹b›');
    expect(highlighter.unfinishedLine('b */ if')).toBe('comment‹b */› keyword‹if›');
  });

  it('never changes the text', () => {
    const theme = { ...NAMED, ok: String, bad: String, syntax: { ...NAMED.syntax } };
    for (const role of ROLES) theme.syntax[role] = String;
    const code = 'a "b\n\'c /* d\n`e $\x7bf\n# g\n<<H\n<i j="k\n{{l}}\n\\\n\n-- m $n @o #[p] 1e9_x ';
    for (const language of 'bash c cpp css diff go java js json md py rs console sql ts html yaml'.split(
      ' ',
    )) {
      expect(highlight(code, language, theme)).toBe(code);
    }
    const long = `"${'x'.repeat(10_000)}`;
    expect(highlight(long, 'js', theme)).toBe(long);
  });
});
