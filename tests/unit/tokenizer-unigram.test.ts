/** SentencePiece's unigram model, and characters as symbols of BPE, on small vocabularies. */
import { describe, expect, it } from 'vitest';
import { Charsmap } from '../../core/tokenizer/charsmap.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { seeded } from '../random.ts';
import { ggufWith } from './vocabularies.ts';

/** Letters with a score each, and longer pieces of them. */
const PIECES = ['\u2581', 'a', 'b', 'c', 'ab', 'bc', 'abc', '\u2581a', '\u2581ab', 'ca', 'cab', 'é'];
const SCORES = [-3, -2.5, -2.7, -3.1, -4.1, -4.9, -6.5, -4.2, -5.9, -5.2, -8.4, -4];

function unigram(keys: Parameters<typeof ggufWith>[0] = {}) {
  const tokens = ['<s>', '</s>', '<unk>', ...PIECES];
  return tokenizerFromGguf(
    ggufWith({
      model: 't5',
      tokens,
      token_type: Int32Array.from([3, 3, 2, ...PIECES.map(() => 1)]),
      scores: Float32Array.from([0, 0, 0, ...SCORES]),
      eos_token_id: 1,
      unknown_token_id: 2,
      add_space_prefix: false,
      ...keys,
    }),
  );
}

/** The best score of all ways to write a text in pieces; an unknown letter costs 10 more than the least likely piece. */
function bestScore(text: string): number {
  const best = [0];
  for (let end = 1; end <= text.length; end++) {
    const known = PIECES.flatMap((piece, i) =>
      text.slice(0, end).endsWith(piece) ? [(best[end - piece.length] ?? -Infinity) + SCORES[i]!] : [],
    );
    const letter = PIECES.includes(text[end - 1]!) ? [] : [best[end - 1]! - 8.4 - 10];
    best.push(Math.max(...known, ...letter));
  }
  return best.at(-1)!;
}

describe('the unigram model', () => {
  it('finds the most likely pieces', () => {
    const tokenizer = unigram();
    const pick = seeded(5);
    for (let round = 0; round < 300; round++) {
      const text = Array.from({ length: 1 + pick(14) }, () => 'aabbcc é'[pick(8)]).join('');
      const ids = tokenizer.encode(text);
      const score = ids.reduce((sum, id) => sum + SCORES[id - 3]!, 0);
      expect(score, text).toBeCloseTo(bestScore(text.replaceAll(' ', '\u2581')), 4);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it('writes unknown characters that follow each other as one token', () => {
    expect(unigram().encode('aXYZb')).toEqual([4, 2, 5]);
    expect(unigram().encode('X Y')).toEqual([2, 3, 2]);
  });

  it('adds and merges spaces as the file says, and the end token', () => {
    const merging = unigram({ add_space_prefix: true, remove_extra_whitespaces: true });
    const pieces = (text: string) => merging.encode(text).map((id) => merging.piece(id));
    expect(pieces('  ab   c ')).toEqual(['\u2581ab', '\u2581', 'c']);
    expect(merging.encode('a', { addSpecial: true })).toEqual([10, 1]);
    expect(merging.encode('')).toEqual([]);
    expect(
      unigram()
        .encode('a  b')
        .map((id) => unigram().piece(id)),
    ).toEqual(['a', '\u2581', '\u2581', 'b']);
  });

  it('replaces characters by the table of the file', () => {
    const tokenizer = unigram({ precompiled_charsmap: charsmap('A', 'ab') });
    expect(tokenizer.encode('AcA').map((id) => tokenizer.piece(id))).toEqual(['abc', 'ab']);
  });

  it('refuses a damaged table in words', () => {
    const whole = charsmap('A', 'ab');
    expect(() => new Charsmap(whole.subarray(0, 9))).toThrow('precompiled_charsmap is damaged');
    expect(() => new Charsmap(Uint8Array.of(255, 255, 255, 255))).toThrow('precompiled_charsmap is damaged');
    const text = Uint8Array.of(65, 66);
    for (let seed = 0; seed < 500; seed++) {
      const pick = seeded(seed);
      const bytes = whole.slice();
      for (let i = 0; i < 3; i++) bytes[4 + pick(bytes.length - 4)] = pick(256);
      try {
        new Charsmap(bytes).longest(text, 0);
      } catch (error) {
        expect(String(error)).toContain('precompiled_charsmap is damaged');
      }
    }
  });
});

/** A table with one entry for a character of ASCII. */
function charsmap(character: string, by: string): Uint8Array {
  const byte = character.charCodeAt(0);
  const units = new Uint32Array(0x400);
  const [root, inner] = [0x100, 0x200];
  units[0] = root << 10;
  units[root ^ byte] = byte | (1 << 8) | (inner << 10); // a leaf
  units[root ^ byte ^ inner] = 0x8000_0000; // at the first replacement
  const out = Buffer.alloc(4 + units.byteLength + by.length + 1);
  out.writeUInt32LE(units.byteLength);
  Buffer.from(units.buffer).copy(out, 4);
  out.write(by, 4 + units.byteLength);
  return out;
}

describe('BPE of characters', () => {
  const BYTES = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const tokens = [...BYTES, '\u2581', 'a', 'é', '\n', '\n\n', '\u2581a', 'aé'];
  const tokenizer = tokenizerFromGguf(
    ggufWith({
      model: 'gemma4',
      tokens,
      token_type: Int32Array.from(tokens, (_, id) => (id < 256 ? 6 : 1)),
      merges: ['\u2581 a', 'a é'],
    }),
  );
  const pieces = (text: string) => tokenizer.encode(text).map((id) => tokenizer.piece(id));

  it('merges across words, but not across lines, and falls back to bytes', () => {
    expect(pieces(' aé')).toEqual(['\u2581a', 'é']);
    expect(pieces('aé a')).toEqual(['aé', '\u2581a']);
    expect(pieces('a\n\na\n')).toEqual(['a', '\n\n', 'a', '\n']);
    expect(pieces('ñ')).toEqual(['<0xC3>', '<0xB1>']);
    for (const text of [' aé', 'a\n\n  ñ😀']) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });
});
