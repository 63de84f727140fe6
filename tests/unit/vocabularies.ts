/** Vocabularies for tests: metadata as a GGUF file would hold it, without a file. */
import { readFileSync } from 'node:fs';
import type { Gguf, GgufStrings, GgufValue } from '../../core/gguf/index.ts';

/** An array of undecoded strings, as the GGUF reader returns it. */
export function ggufStrings(texts: readonly string[]): GgufStrings {
  const pieces = texts.map((text) => Buffer.from(text));
  const lengths = Uint32Array.from(pieces, (piece) => piece.length);
  const offsets = new Uint32Array(texts.length);
  for (let i = 1; i < texts.length; i++) offsets[i] = offsets[i - 1]! + lengths[i - 1]!;
  return {
    length: texts.length,
    bytes: Buffer.concat(pieces),
    offsets,
    lengths,
    longest: lengths.reduce((a, b) => Math.max(a, b), 0),
    at: (i) => texts[i]!,
  };
}

/** A GGUF header with these tokenizer.ggml keys (and others, if the name has a dot). */
export function ggufWith(keys: Record<string, GgufValue | readonly string[] | undefined>): Gguf {
  const metadata = new Map<string, GgufValue>();
  for (const [name, value] of Object.entries(keys)) {
    if (value === undefined) continue;
    const isTexts = Array.isArray(value) && value.every((element) => typeof element === 'string');
    metadata.set(
      name.includes('.') ? name : `tokenizer.ggml.${name}`,
      isTexts ? ggufStrings(value) : (value as GgufValue),
    );
  }
  return { path: 'test.gguf', version: 3, fileBytes: 0, alignment: 32, metadata, tensors: new Map() };
}

interface HuggingFaceTokenizer {
  readonly added_tokens: readonly { id: number; content: string; special: boolean }[];
  readonly model: { vocab: Record<string, number>; merges: readonly (string | readonly [string, string])[] };
}

/** A byte-level BPE tokenizer.json as the metadata that a GGUF file of that model has. */
export function ggufFromTokenizerJson(path: string, pre: string): Gguf {
  const { model, added_tokens }: HuggingFaceTokenizer = JSON.parse(readFileSync(path, 'utf8'));
  const tokens: string[] = [];
  for (const [piece, id] of Object.entries(model.vocab)) tokens[id] = piece;
  for (const { id, content } of added_tokens) tokens[id] = content;
  const types = new Int32Array(tokens.length).fill(1);
  for (const { id, special } of added_tokens) types[id] = special ? 3 : 4;
  return ggufWith({
    model: 'gpt2',
    pre,
    tokens,
    token_type: types,
    merges: model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))),
  });
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SNIPPETS = (
  ' ¦  ¦   ¦\n¦\n\n¦\r\n¦\t¦a¦the¦Hello¦world¦camelCase¦ABC¦x1y2¦1¦42¦2024¦' +
  ".¦,¦!?¦...¦(¦{}¦==¦$¦+¦<¦`¦_¦-¦//¦#tag¦don't¦I'VE¦'s¦'LL¦é¦e\u0301¦naïve¦Ж¦привет¦ǅ¦𝔘¦" +
  '中¦世界¦日本語¦カナ¦한국¦ไทย¦हि¦न्¦مر¦٣¦½¦€¦™¦“q”¦。¦😀¦👩‍👩‍👧¦🇫🇷¦\u00a0¦\u3000¦\u200b¦\0¦\ufffd¦▁¦' +
  '<|im_start|>¦<|im_end|>¦</s>¦[UNK]'
).split('¦');

/** A text of up to `most` snippets that mix scripts, spaces, digits, marks and emoji. */
export function randomText(random: () => number, most: number): string {
  const count = 1 + Math.floor(random() * most);
  return Array.from({ length: count }, () => SNIPPETS[Math.floor(random() * SNIPPETS.length)]).join('');
}
