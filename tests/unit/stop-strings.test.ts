import { describe, expect, it } from 'vitest';
import { Random } from '../../core/sampler/random.ts';
import { StopStrings } from '../../core/stop-strings.ts';
import { UserError } from '../../errors.ts';

/** The definition: read character by character; the first complete string ends the text. */
function search(text: string, strings: readonly string[]): { text: string; found: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const found = strings
      .filter((string) => text.slice(0, end).endsWith(string))
      .sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), found };
  }
  return { text, found: undefined };
}

function stream(pieces: readonly string[], strings: readonly string[]) {
  const matcher = new StopStrings(strings);
  const shown = pieces.map((piece) => matcher.push(piece));
  return { text: shown.join('') + matcher.end(), found: matcher.found, shown };
}

describe('StopStrings', () => {
  it('passes text through at once if nothing can match', () => {
    expect(stream(['Hello', ' ', 'world'], []).shown).toEqual(['Hello', ' ', 'world']);
    expect(stream(['Hello', ' ', 'world'], ['xyz']).shown).toEqual(['Hello', ' ', 'world']);
  });

  it('finds a string across pieces, and hides it and the rest', () => {
    const result = stream(['The en', 'd is', ' near'], ['end i']);
    expect(result).toEqual({ text: 'The ', found: 'end i', shown: ['The ', '', ''] });
  });

  it('holds back only a possible start, and releases it otherwise', () => {
    const matcher = new StopStrings(['abcd', 'cx']);
    expect([matcher.push('zab'), matcher.push('c'), matcher.push('y')]).toEqual(['z', '', 'abcy']);
    expect([matcher.push('ab'), matcher.push('ab')]).toEqual(['', 'ab']);
    expect(matcher.end()).toBe('ab');
    expect(matcher.found).toBeUndefined();
  });

  it('prefers the string complete first, and the longest of those complete together', () => {
    expect(stream(['abcd'], ['abcd', 'bc'])).toMatchObject({ text: 'a', found: 'bc' });
    expect(stream(['xabc'], ['c', 'bc', 'abc'])).toMatchObject({ text: 'x', found: 'abc' });
  });

  it('refuses an empty string', () => {
    expect(() => new StopStrings(['a', ''])).toThrow(UserError);
  });

  it('gives the same for any cut of the text as a search of the whole', () => {
    const random = new Random(1);
    const word = (letters: number, length: number) =>
      Array.from({ length }, () => 'abc'[Math.floor(random.uniform() * letters)]).join('');
    let found = 0;
    for (let round = 0; round < 3000; round++) {
      const text = word(3, Math.floor(random.uniform() * 30));
      const strings = Array.from({ length: 1 + (round % 3) }, () =>
        word(2 + (round % 2), 1 + Math.floor(random.uniform() * 5)),
      );
      const pieces: string[] = [];
      for (let at = 0; at < text.length; ) {
        const length = Math.floor(random.uniform() * 5);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      const expected = search(text, strings);
      const { text: shown, found: string } = stream(pieces, strings);
      expect({ text: shown, found: string }, `${JSON.stringify(pieces)} with ${strings}`).toEqual(expected);
      if (string !== undefined) found++;
    }
    expect(found).toBeGreaterThan(500);
    expect(found).toBeLessThan(2900);
  });
});
