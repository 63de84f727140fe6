/** When an answer counts as one that repeats itself. */
import { describe, expect, it } from 'vitest';
import { Repetition } from '../../core/generate/repetition.ts';
import { seeded } from '../random.ts';

/** The number of tokens after which the answer is ended; undefined if it is not. */
function endOf(ids: readonly number[]): number | undefined {
  const repetition = new Repetition();
  const seen: number[] = [];
  for (const id of ids) {
    seen.push(id);
    if (repetition.push(seen)) return seen.length;
  }
  return undefined;
}

const text = (seed: number, length: number) => {
  const random = seeded(seed);
  return Array.from({ length }, () => random(49_152));
};
const times = (count: number, part: readonly number[]) => Array.from({ length: count }, () => part).flat();

describe('an answer repeats itself', () => {
  it.each([
    ['a word', 1, 97],
    ['a line', 12, 12 + 96],
    ['a verse', 60, 4 * 60],
    ['a paragraph', 200, 4 * 200],
  ])('if %s of %i tokens comes again and again', (_, length, end) => {
    const before = text(1, 300);
    expect(endOf([...before, ...times(200, text(2, length))])).toBe(300 + end);
  });

  it('not if a refrain comes twice, or lines only begin alike', () => {
    const verse = text(1, 60);
    expect(endOf([...verse, ...text(2, 40), ...verse, ...text(3, 40), ...verse])).toBeUndefined();
    expect(endOf(times(3, verse))).toBeUndefined();
    const rows = Array.from({ length: 100 }, (_, i) => [7, 8, 9, 1000 + i, 10]).flat();
    expect(endOf(rows)).toBeUndefined();
  });

  it('not by chance', () => {
    const random = seeded(4);
    expect(endOf(Array.from({ length: 8000 }, () => random(3)))).toBeUndefined();
  });
});
