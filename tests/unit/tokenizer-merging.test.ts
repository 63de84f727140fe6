/** The parts of merging against their plain definitions. */
import { describe, expect, it } from 'vitest';
import { NEVER, PairMerger } from '../../core/tokenizer/pair-merger.ts';
import { PieceIndex } from '../../core/tokenizer/piece-index.ts';
import { ggufStrings, randomText, seededRandom } from './vocabularies.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Byte-pair merging by definition: look at all pairs, join the best, repeat. */
function mergeNaively(word: string, ranks: ReadonlyMap<string, number>): string[] {
  const symbols = [...word];
  for (;;) {
    let best = -1;
    let bestRank = NEVER;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? NEVER;
      if (rank < bestRank) [best, bestRank] = [i, rank];
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
}

describe('PairMerger', () => {
  it('equals the definition, on random merges and words', () => {
    const random = seededRandom(4);
    const alphabet = ['a', 'b', 'é', '世'];
    const symbol = () => alphabet[Math.floor(random() * alphabet.length)]!;
    for (let round = 0; round < 200; round++) {
      const symbols = [...alphabet];
      const ranks = new Map<string, number>();
      for (let i = 0; i < 30; i++) {
        const left = symbols[Math.floor(random() * symbols.length)]!;
        const right = symbols[Math.floor(random() * symbols.length)]!;
        ranks.set(`${left} ${right}`, Math.floor(random() * 20)); // equal ranks occur
        symbols.push(left + right);
      }
      const merger = new PairMerger((bytes, start, middle, end) => {
        const decode = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
        return ranks.get(`${decode(start, middle)} ${decode(middle, end)}`) ?? NEVER;
      });
      for (const length of [0, 1, 2, 7, 60]) {
        const word = Array.from({ length }, symbol).join('');
        const merged: string[] = [];
        merger.merge(utf8(word), (start, end) =>
          merged.push(new TextDecoder().decode(utf8(word).subarray(start, end))),
        );
        expect(merged).toEqual(mergeNaively(word, ranks));
      }
    }
  });
});

describe('PieceIndex', () => {
  const random = seededRandom(5);
  const texts = [...new Set(Array.from({ length: 5_000 }, () => randomText(random, 3)))];
  const index = new PieceIndex(ggufStrings(texts));

  it('finds every string at its index, and no other', () => {
    for (const [i, text] of texts.entries()) {
      const bytes = utf8(`«${text}»`);
      expect(index.find(bytes, 2, bytes.length - 2)).toBe(i);
    }
    expect(index.find(utf8('not there'), 0, 9)).toBe(-1);
  });

  it('finds the string of two parts with a space between them', () => {
    const merges = new PieceIndex(ggufStrings(['a b', 'ab c', 'a bc', ' a']));
    const bytes = utf8('abc');
    expect(merges.findPair(bytes, 0, 1, 2)).toBe(0);
    expect(merges.findPair(bytes, 0, 2, 3)).toBe(1);
    expect(merges.findPair(bytes, 0, 1, 3)).toBe(2);
    expect(merges.findPair(bytes, 1, 2, 3)).toBe(-1);
  });

  it('takes linear time even if all strings are equal', () => {
    const index = new PieceIndex(ggufStrings(Array(300_000).fill('[PAD]')));
    expect(index.find(utf8('[PAD]'), 0, 5)).toBe(0);
  });

  it('finds the first of equal strings, and only included ones', () => {
    const strings = ggufStrings(['x', 'y', 'x', 'z']);
    expect(new PieceIndex(strings).find(utf8('x'), 0, 1)).toBe(0);
    const some = new PieceIndex(strings, (i) => i === 2);
    expect(['x', 'y', 'z'].map((text) => some.find(utf8(text), 0, 1))).toEqual([2, -1, -1]);
    expect(new PieceIndex(ggufStrings([])).find(utf8('x'), 0, 1)).toBe(-1);
  });
});
