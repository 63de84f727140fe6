/** tokenizer.json as GGUF metadata: the default model's own file gives the ids of its GGUF file. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { translate } from '../../core/tokenizer/json-patterns.ts';
import { compileForeign, rowsOfPatterns } from '../../core/tokenizer/pre-tokenizers.ts';
import { tokenizerJsonMetadata } from '../../core/tokenizer/tokenizer-json.ts';
import { describeShared } from '../shared.ts';

const FACTS = {
  special: { bos: '<|im_start|>', eos: '<|im_end|>', unknown: undefined, padding: undefined },
  ends: undefined,
  begin: undefined,
  adds: { bos: false, eos: false },
};

function tokenizerOf(json: object, size: number) {
  const metadata = new Map(tokenizerJsonMetadata('tokenizer.json', json, { ...FACTS, size }));
  return tokenizerFromGguf({
    ...{ path: '', version: 0, fileBytes: 0, alignment: 32, tensors: new Map() },
    metadata,
  });
}

describeShared('tokenizer.json', (path) => {
  const folder = 'goldens/smollm2-135m-instruct-q4_1';

  it('of SmolLM 2 gives the ids of its GGUF file', () => {
    const json = JSON.parse(readFileSync(path(`${folder}/tokenizer.json`), 'utf8'));
    const cases: { text: string; ids: number[] }[] = JSON.parse(
      readFileSync(path(`${folder}/tokens.json`), 'utf8'),
    );
    const tokenizer = tokenizerOf(json, 49_152);
    expect(cases.length).toBeGreaterThan(10);
    for (const { text, ids } of cases)
      expect(tokenizer.encode(text, { special: true }), JSON.stringify(text)).toEqual(ids);
  });
});

describe('special tokens that take the white space beside them', () => {
  const added = (id: number, content: string, lstrip: boolean, rstrip: boolean, special = true) => {
    return { id, content, single_word: false, lstrip, rstrip, normalized: false, special };
  };
  const vocab = ['a', 'b', 'c', '\u0120', '\u010a', '\u0109', '<', 'x', '>', 'm'];
  const json = {
    added_tokens: [
      added(10, '<m>', true, false),
      added(11, '<x>', false, true),
      added(12, '<c>', true, true, false),
    ],
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(vocab.map((text, id) => [text, id])), merges: [] },
  };

  // Made with tokenizers 0.23.3 of the same file.
  it.each([
    ['a <m> b', [0, 10, 3, 1]],
    ['a \n\t<m>\n b', [0, 10, 4, 3, 1]],
    ['a <x> \n b', [0, 3, 11, 1]],
    ['a <x>  <m> b', [0, 3, 11, 10, 3, 1]],
    ['a  <c>  b', [0, 12, 1]],
    ['<m><x> <c> ', [10, 11, 12]],
    [' <x>', [3, 11]],
    ['a\u00a0<m> b <x>\u2003a', [0, 10, 3, 1, 3, 11, 0]],
  ])('in %j', (text, ids) => {
    expect(tokenizerOf({ ...json }, 13).encode(text, { special: true })).toEqual(ids);
  });
});

describe('patterns of a model', () => {
  it.each([
    ["(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+", "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"],
    ['\\p{Han}+|\\p{^L}', '\\p{Script=Han}+|\\P{L}'],
    ['(?>a)\\d', '(?:a)\\p{Nd}'],
  ])('%s is spelt %s', (oniguruma, javascript) => {
    expect(translate(oniguruma)).toBe(javascript);
  });

  it.each(['(a+)+$', '(?:a|aa)*b', '(x{1,}){2,}', '\\p{L}*\\p{L}*\\p{L}*\\p{L}*!'])(
    '%s could take long, and is refused',
    (pattern) => {
      expect(() => compileForeign(pattern)).toThrow('could take very long');
    },
  );

  it('that no one knows is refused in words', () => {
    expect(() => compileForeign('[a')).toThrow('is not supported');
  });

  it('that repeat groups are accepted if something else splits alike', () => {
    const digits = compileForeign('\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*\\b)');
    expect('a 1234567 12b'.split(digits)).toEqual(['a ', '1', '234', '567', ' ', '12', 'b']);
    expect('1234567'.repeat(100_000).split(digits)).toHaveLength(233_336);
  });

  it('of all known models are accepted', () => {
    for (const { name, patterns } of rowsOfPatterns()) {
      if (name === 'kimi-k2' || name === 'exaone-moe') continue; // those of their own files are others
      for (const pattern of patterns) {
        if (pattern instanceof RegExp)
          expect(() => compileForeign(pattern.source.slice(1, -1))).not.toThrow();
      }
    }
  });
});
