import { describe, expect, it } from 'vitest';
import { ignoreRules, isIgnored } from '../../cli/attachments/ignore-rules.ts';

describe('a .gitignore', () => {
  it.each<[rules: string, path: string, ignored: boolean]>([
    ['*.log', 'a.log', true],
    ['*.log', 'deep/in/a.log', true],
    ['*.log', 'a.log.txt', false],
    ['/a.txt', 'a.txt', true],
    ['/a.txt', 'deep/a.txt', false],
    ['docs/a.txt', 'docs/a.txt', true],
    ['docs/a.txt', 'x/docs/a.txt', false],
    ['**/docs/a.txt', 'x/docs/a.txt', true],
    ['docs/**', 'docs/x/y', true],
    ['docs/**', 'docs', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/*/b', 'a/x/y/b', false],
    ['build/', 'build', false], // a file
    ['?.txt', 'a.txt', true],
    ['?.txt', 'ab.txt', false],
    ['[a-c].txt', 'b.txt', true],
    ['[!a-c].txt', 'b.txt', false],
    ['[]x].txt', '].txt', true],
    ['[x', '[x', true],
    ['# a comment', '# a comment', false],
    ['\\#a', '#a', true],
    ['\\!a', '!a', true],
    ['a  ', 'a', true],
    ['a\\ ', 'a ', true],
    ['*.txt\n!keep.txt', 'keep.txt', false],
    ['!keep.txt\n*.txt', 'keep.txt', true],
    ['\n\r\n/\n', 'a', false],
  ])('%j on %j: %s', (rules, path, ignored) => {
    expect(isIgnored(path, false, ignoreRules(rules, ''))).toBe(ignored);
  });

  it('with a slash after a name holds for folders', () => {
    expect(isIgnored('build', true, ignoreRules('build/', ''))).toBe(true);
  });

  it('holds in its folder', () => {
    const rules = ignoreRules('/a.txt\n*.log', 'sub/');
    expect(isIgnored('sub/a.txt', false, rules)).toBe(true);
    expect(isIgnored('a.txt', false, rules)).toBe(false);
    expect(isIgnored('a.log', false, rules)).toBe(false);
  });

  /** By backtracking it would take longer than any timeout. */
  it('takes no time that grows with the number of stars', () => {
    const rules = ignoreRules(`${'*a'.repeat(100)}b`, '');
    expect(isIgnored('a'.repeat(250), false, rules)).toBe(false);
    const deep = ignoreRules(`${'**/a/'.repeat(100)}b`, '');
    expect(isIgnored('a/'.repeat(500), false, deep)).toBe(false);
  });
});
