import { describe, expect, it } from 'vitest';
import { StreamingDecoder } from '../../core/tokenizer/streaming-decoder.ts';
import { seededRandom } from './vocabularies.ts';

/** Ids are byte strings; ids in `control` are control tokens. */
function tokenizerOf(pieces: readonly Uint8Array[], addSpacePrefix = false, control = new Set<number>()) {
  return {
    addSpacePrefix,
    isControl: (id: number) => control.has(id),
    tokenBytes: (id: number, options?: { special?: boolean }) =>
      control.has(id) && !options?.special ? new Uint8Array(0) : pieces[id]!,
  };
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The text of each push, and finally of end. */
function pushes(decoder: StreamingDecoder, count: number): string[] {
  return [...Array.from({ length: count }, (_, id) => decoder.push(id)), decoder.end()];
}

describe('StreamingDecoder', () => {
  it('holds back a character until it is whole', () => {
    const bytes = [...utf8('é😀!')].map((byte) => Uint8Array.of(byte));
    const shown = pushes(new StreamingDecoder(tokenizerOf(bytes)), bytes.length);
    expect(shown).toEqual(['', 'é', '', '', '', '😀', '!', '']);
  });

  it('shows U+FFFD for bytes that are not UTF-8, and at the end for a character cut short', () => {
    const pieces = [
      Uint8Array.of(0x41, 0xff),
      Uint8Array.of(0xe4, 0xb8),
      utf8('B'),
      Uint8Array.of(0xf0, 0x9f),
    ];
    const shown = pushes(new StreamingDecoder(tokenizerOf(pieces)), pieces.length);
    expect(shown).toEqual(['A\ufffd', '', '\ufffdB', '', '\ufffd']);
  });

  it('keeps a byte order mark, which is text here', () => {
    expect(pushes(new StreamingDecoder(tokenizerOf([utf8('\ufeffa')])), 1)).toEqual(['\ufeffa', '']);
  });

  it('gives the text of decoding at once, however the bytes are split (10,000 random splits)', () => {
    const random = seededRandom(1);
    // Weighted so that valid, cut, overlong and surrogate sequences all occur.
    const leads = [0x41, 0xc3, 0xe4, 0xed, 0xe0, 0xf0, 0xf4, 0xff, 0xc0];
    const nextByte = () =>
      random() < 0.5 ? 0x80 + Math.floor(random() * 0x40) : leads[Math.floor(random() * leads.length)]!;
    for (let round = 0; round < 10_000; round++) {
      const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 12) }, nextByte);
      const pieces: Uint8Array[] = [];
      for (let start = 0; start < bytes.length; ) {
        const end = Math.min(bytes.length, start + Math.floor(random() * 4));
        pieces.push(bytes.subarray(start, end));
        start = end;
      }
      const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      expect(pushes(new StreamingDecoder(tokenizerOf(pieces)), pieces.length).join('')).toBe(whole);
    }
  });

  it('removes the one space that encoding added before the text', () => {
    const pieces = [utf8('<s>'), utf8('  a'), utf8(' b')];
    const tokenizer = tokenizerOf(pieces, true, new Set([0]));
    expect(pushes(new StreamingDecoder(tokenizer), 3)).toEqual(['', ' a', ' b', '']);
    expect(pushes(new StreamingDecoder(tokenizer, { special: true }), 3)).toEqual(['<s>', ' a', ' b', '']);
    expect(pushes(new StreamingDecoder(tokenizer, { continues: true }), 3)).toEqual(['', '  a', ' b', '']);
  });
});
