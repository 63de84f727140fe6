import { expect, it } from 'vitest';
import { chunksOf, linesOf } from '../../core/similar/chunks.ts';
import { seeded } from '../random.ts';

it('cuts texts at blank lines, but not after every few words', () => {
  const long = 'word '.repeat(50).trim();
  expect(chunksOf(`title\n\n${long}\n\n${long}\nend`)).toEqual([
    { line: 1, text: `title\n\n${long}` },
    { line: 5, text: `${long}\nend` },
  ]);
});

it('cuts long lines between words', () => {
  const parts = chunksOf('word '.repeat(400));
  expect(parts.length).toBeGreaterThan(2);
  for (const { line, text } of parts) {
    expect(line).toBe(1);
    expect(text).toMatch(/^\s?(?:word ?)+$/);
  }
});

it('loses no word, and says the line of each chunk', () => {
  const pick = seeded(7);
  for (let round = 0; round < 200; round++) {
    const letters = Array.from(
      { length: pick(3000) },
      () => ['a', 'b', ' ', '\n', 'é', '😀', '\n\n'][pick(7)],
    );
    const text = round % 2 === 0 ? letters.join('') : letters.join('').replaceAll('\n', 'x');
    for (const cut of [chunksOf, linesOf]) {
      const chunks = cut(text);
      const words = (some: string) => some.split(/\s+/).join('');
      expect(words(chunks.map((each) => each.text).join(' '))).toBe(words(text));
      const lines = text.split('\n');
      for (const { line, text: own } of chunks) expect(lines[line - 1]).toContain(own.split('\n')[0]!);
    }
  }
});
