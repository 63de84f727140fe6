/** Real vocabularies: ids as their own tokenizers give them. */
import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { beforeAll, describe, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf/index.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { StreamingDecoder } from '../../core/tokenizer/streaming-decoder.ts';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.ts';
import { describeShared } from '../shared.ts';
import { ggufFromTokenizerJson, randomText, seededRandom } from './vocabularies.ts';

interface Case {
  readonly text: string;
  readonly ids: readonly number[];
}

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

const VOCABULARIES = [
  { name: 'gpt-2', ends: ['<|endoftext|>'], addBos: false },
  { name: 'llama-bpe', ends: ['<|end_of_text|>', '<|eot_id|>'], addBos: true },
  { name: 'qwen2', ends: ['<|endoftext|>', '<|im_end|>'], addBos: false },
  { name: 'llama-spm', ends: ['</s>'], addBos: true },
  { name: 'phi-3', ends: ['</s>', '<|endoftext|>', '<|end|>'], addBos: true },
  { name: 'bert-bge', ends: ['[SEP]'], addBos: true },
];

describeShared('vocabularies of llama.cpp', (path) => {
  describe.each(VOCABULARIES)('$name', ({ name, ends, addBos }) => {
    let tokenizer: Tokenizer;
    let cases: readonly Case[];

    beforeAll(async () => {
      const golden = readJson(path(`goldens/tokenizers/${name}.json`));
      cases = golden.cases;
      tokenizer = tokenizerFromGguf(await readGguf(path(`goldens/tokenizers/${golden.vocab}`)));
    });

    it('encodes all 47 cases exactly', () => {
      expect(cases).toHaveLength(47);
      for (const { text, ids } of cases) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
    });

    it('decodes to the text it encoded', () => {
      for (const { text, ids } of cases) {
        if (tokenizer.model !== 'wordpiece') {
          expect(tokenizer.decode(ids)).toBe(text);
        } else {
          const known = ids.filter((id) => tokenizer.piece(id) !== '[UNK]'); // unknown text is lost
          expect(tokenizer.encode(tokenizer.decode(ids))).toEqual(known);
        }
      }
    });

    it('decodes random texts the same piece by piece and at once', () => {
      const random = seededRandom(2);
      for (let round = 0; round < 200; round++) {
        const text = randomText(random, 20);
        const ids = tokenizer.encode(text, { special: true, addSpecial: true });
        const decoder = new StreamingDecoder(tokenizer, { special: true });
        const streamed = ids.map((id) => decoder.push(id)).join('') + decoder.end();
        expect(streamed).toBe(tokenizer.decode(ids, { special: true }));
        if (tokenizer.model === 'wordpiece') continue;
        const spaced = tokenizer.model === 'bpe' ? text : text.replaceAll('▁', ' ');
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(spaced);
      }
    });

    it('knows its end tokens, and whether a text begins with a token', () => {
      expect([...tokenizer.endIds].map((id) => tokenizer.piece(id)).sort()).toEqual(ends);
      expect(tokenizer.addBos).toBe(addBos);
      const [first] = tokenizer.encode('a', { addSpecial: true });
      expect(first === tokenizer.bosId).toBe(addBos);
    });
  });

  it('includes the white space after a special token of Phi-3', async () => {
    const tokenizer = tokenizerFromGguf(await readGguf(path('goldens/tokenizers/ggml-vocab-phi-3.gguf')));
    const ids = tokenizer.encode('<|user|> \nHi<|end|>\n<|assistant|>\n', { special: true });
    expect(ids.map((id) => tokenizer.piece(id))).toEqual(['<|user|>', '▁Hi', '<|end|>', '<|assistant|>']);
  });
});

describeShared('SmolLM2', (path) => {
  const file = path('goldens/smollm2-135m-instruct-q4_1/tokenizer.json');

  it('encodes and decodes the golden texts exactly', () => {
    const tokenizer = tokenizerFromGguf(ggufFromTokenizerJson(file, 'smollm'));
    const cases: Case[] = readJson(path('goldens/smollm2-135m-instruct-q4_1/tokens.json'));
    for (const { text, ids } of cases) {
      expect(tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids, { special: true })).toBe(text);
    }
  });

  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const digits = { type: 'Split', pattern: { Regex: '\\p{N}' }, behavior: 'Isolated', invert: false };
  it.each([
    { pre: 'gpt-2', preTokenizer: byteLevel },
    { pre: 'smollm', preTokenizer: { type: 'Sequence', pretokenizers: [digits, byteLevel] } },
  ])('agrees with @huggingface/tokenizers on 1,000 random texts cut as $pre', ({ pre, preTokenizer }) => {
    const tokenizer = tokenizerFromGguf(ggufFromTokenizerJson(file, pre));
    const oracle = new HuggingFaceTokenizer({ ...readJson(file), pre_tokenizer: preTokenizer }, {});
    const random = seededRandom(3);
    for (let round = 0; round < 1_000; round++) {
      const text = randomText(random, 24);
      const expected = oracle.encode(text, { add_special_tokens: false }).ids;
      expect(tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(expected);
    }
  });

  it('encodes and decodes a megabyte of English without loss', () => {
    const tokenizer = tokenizerFromGguf(ggufFromTokenizerJson(file, 'smollm'));
    const text = readFileSync(path('text/tinyshakespeare.txt'), 'utf8');
    const ids = tokenizer.encode(text);
    expect(ids).toHaveLength(341_094); // llama.cpp's count
    expect(tokenizer.decode(ids)).toBe(text);
  });
});
