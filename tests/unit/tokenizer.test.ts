/** Rules of tokenizers, on small vocabularies: special tokens, defaults, prefixes, fallbacks, errors. */
import { describe, expect, it } from 'vitest';
import { spellBytes } from '../../core/tokenizer/byte-level.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import type { EncodeOptions, Tokenizer } from '../../core/tokenizer/tokenizer.ts';
import { UserError } from '../../errors.ts';
import { ggufWith } from './vocabularies.ts';

type Keys = Parameters<typeof ggufWith>[0];

const BYTES = Array.from({ length: 256 }, (_, byte) =>
  new TextDecoder().decode(spellBytes(Uint8Array.of(byte))),
);
/** Token types of `count` ordinary tokens and some special ones. */
const types = (count: number, ...special: number[]) => Int32Array.from([...Array(count).fill(1), ...special]);

/** Byte-level BPE of all bytes, `he` (256), `llo` (257, 258), two control tokens and a user-defined one. */
function bpe(keys: Keys = {}, onIgnored?: (text: string) => void): Tokenizer {
  return tokenizerFromGguf(
    ggufWith({
      model: 'gpt2',
      pre: 'gpt-2',
      tokens: [...BYTES, 'he', 'll', 'llo', '<|im_end|>', '<|im|>', '<|im|>x'],
      token_type: types(259, 3, 3, 4),
      merges: ['h e', 'l l', 'll o'],
      bos_token_id: 260,
      eos_token_id: 259,
      ...keys,
    }),
    onIgnored,
  );
}

/** Keys of `bpe` for other tokens, none of them special. */
const PLAIN: Keys = { token_type: undefined, bos_token_id: undefined, eos_token_id: undefined };

/** SentencePiece of <unk>, <s>, </s>, <x>, the bytes (4 ...) and some pieces (260 ...), earlier ones score better. */
function sentencePiece(
  pieces: readonly string[],
  keys: Keys = {},
  onIgnored?: (text: string) => void,
): Tokenizer {
  const bytes = BYTES.map((_, byte) => `<0x${byte.toString(16).padStart(2, '0').toUpperCase()}>`);
  const tokens = ['<unk>', '<s>', '</s>', '<x>', ...bytes, ...pieces];
  return tokenizerFromGguf(
    ggufWith({
      model: 'llama',
      tokens,
      token_type: Int32Array.from([2, 3, 3, 3, ...BYTES.map(() => 6), ...pieces.map(() => 1)]),
      scores: Float32Array.from(tokens, (_, id) => -id),
      ...keys,
    }),
    onIgnored,
  );
}

function wordPiece(
  pieces: readonly string[],
  keys: Keys = {},
  onIgnored?: (text: string) => void,
): Tokenizer {
  return tokenizerFromGguf(
    ggufWith({
      model: 'bert',
      tokens: ['[UNK]', '[CLS]', '[SEP]', ...pieces],
      token_type: Int32Array.from([3, 3, 3, ...pieces.map(() => 1)]),
      unknown_token_id: 0,
      cls_token_id: 1,
      seperator_token_id: 2,
      ...keys,
    }),
    onIgnored,
  );
}

const pieces = (tokenizer: Tokenizer, text: string, options?: EncodeOptions) =>
  tokenizer.encode(text, options).map((id) => tokenizer.piece(id));

describe('a token that is there twice', () => {
  const twice = [...BYTES, 'he', 'll', 'llo', 'he', 'he', 'll'];
  it.each<[string, (onIgnored: (text: string) => void) => Tokenizer]>([
    ['byte-level BPE', (tell) => bpe({ tokens: twice, token_type: types(262) }, tell)],
    ['SentencePiece', (tell) => sentencePiece(['▁', 'h', 'e', 'he', '▁he', 'he', 'he'], {}, tell)],
    ['WordPiece', (tell) => wordPiece(['he', '##llo', 'he', 'he'], {}, tell)],
  ])('is said once, when a text is encoded by %s, and stands for its first id', (_, make) => {
    const notes: string[] = [];
    const tokenizer = make((text) => notes.push(text));
    expect(notes).toEqual([]);
    const ids = tokenizer.encode('he he');
    tokenizer.encode('he');
    expect(notes).toHaveLength(1);
    const [first, second] = notes[0]!.match(/\d+/g)!.map(Number);
    expect(notes[0]).toMatch(
      /^The vocabulary has a token twice, as \d+ and \d+\. No text becomes token \d+\.$/,
    );
    expect(tokenizer.piece(first!)).toBe(tokenizer.piece(second!));
    expect(ids).not.toContain(second);
  });
});

describe('special tokens', () => {
  it('are found only within the given spans', () => {
    const text = '<|im|>h<|im|>';
    expect(bpe().encode(text, { special: [0, 6] })).toEqual(
      bpe().encode('<|im|>', { special: true }).concat(bpe().encode('h<|im|>')),
    );
    expect(bpe().encode(text, { special: [1, 13] })).toEqual(
      bpe()
        .encode('<|im|>h')
        .concat(bpe().encode('<|im|>', { special: true })),
    );
    expect(bpe().encode(text, { special: [0, 5, 6, 10] })).toEqual(bpe().encode(text));
  });

  it('are text by default', () => {
    expect(pieces(bpe(), 'he<|im|>')).toEqual(['he', '<', '|', 'i', 'm', '|', '>']);
    expect(pieces(bpe(), 'he<|im|>', { special: true })).toEqual(['he', '<|im|>']);
  });

  it('are found longest first, user-defined ones always', () => {
    expect(pieces(bpe(), '<|im|>xllo')).toEqual(['<|im|>x', 'llo']);
    expect(pieces(bpe(), '<|im|>x<|im|><|im_end|>', { special: true })).toEqual([
      '<|im|>x',
      '<|im|>',
      '<|im_end|>',
    ]);
  });

  it('never come from plain text, not even from the look-up of a whole word', () => {
    const keys = { ...PLAIN, tokens: [...BYTES, 'Quit'], token_type: types(256, 3) };
    const tokenizer = bpe({ ...keys, pre: 'llama-bpe' });
    expect(pieces(tokenizer, 'Quit')).toEqual(['Q', 'u', 'i', 't']);
    expect(pieces(tokenizer, 'Quit', { special: true })).toEqual(['Quit']);
  });

  it('are omitted from decoded text by default, but user-defined ones are text', () => {
    expect(bpe().decode([256, 260, 261, 259])).toBe('he<|im|>x');
    expect(bpe().decode([256, 260, 259], { special: true })).toBe('he<|im|><|im_end|>');
    expect(bpe().isControl(260)).toBe(true);
    expect(bpe().isControl(261)).toBe(false);
  });

  it('are counted without the user-defined ones', () => {
    expect(bpe().countControls('<|im|>x<|im|>he<|im_end|>')).toBe(2);
    expect(bpe().countControls('<|im')).toBe(0);
  });
});

describe('long tokens', () => {
  it.each([
    [
      'tokens',
      { ...PLAIN, tokens: [...BYTES, 'x'.repeat(2000)] },
      'at most 1024 bytes, but number 256 has 2000',
    ],
    [
      'merges',
      { ...PLAIN, merges: ['x y', `x ${'y'.repeat(3000)}`] },
      'at most 2049 bytes, but number 1 has 3002',
    ],
  ])('are refused: %s', (_name, keys, message) => {
    expect(() => bpe(keys)).toThrow(message);
  });
});

describe('special tokens in excess', () => {
  it('are refused above a quarter of a million', () => {
    const many = Array.from({ length: 262_145 }, (_, i) => `<${i}>`);
    const keys = {
      ...PLAIN,
      tokens: [...BYTES, ...many],
      token_type: new Int32Array(256 + many.length).fill(4),
    };
    expect(() => bpe(keys)).toThrow(
      'The vocabulary has more than 262144 special tokens, or more than 8388608 bytes of them.',
    );
  });

  it('are refused if they are long together', () => {
    const many = Array.from({ length: 9000 }, (_, i) => `${'x'.repeat(1000)}${i}`);
    const keys = {
      ...PLAIN,
      tokens: [...BYTES, ...many],
      token_type: new Int32Array(256 + many.length).fill(4),
    };
    expect(() => bpe(keys)).toThrow('more than 8388608 bytes of them');
  });

  it('take no time that grows with their number', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `<|audio_${i}|>`);
    const keys = { ...PLAIN, tokens: [...BYTES, ...many], token_type: types(256, ...many.map(() => 3)) };
    const ids = bpe(keys).encode('<|audio_7|><|audio_'.repeat(20_000), { special: true });
    expect(ids.filter((id) => id === 256 + 7)).toHaveLength(20_000);
  });
});

describe('begin and end of text', () => {
  it.each([
    { name: 'bpe', tokenizer: bpe(), addBos: false, addEos: false },
    { name: 'llama-bpe', tokenizer: bpe({ pre: 'llama-bpe' }), addBos: true, addEos: false },
    { name: 'sentencepiece', tokenizer: sentencePiece([]), addBos: true, addEos: false },
    { name: 'wordpiece', tokenizer: wordPiece([]), addBos: true, addEos: true },
    { name: 'add_bos_token', tokenizer: bpe({ add_bos_token: true }), addBos: true, addEos: false },
    {
      name: 'add_bos_token off',
      tokenizer: sentencePiece([], { add_bos_token: false, add_eos_token: true }),
      addBos: false,
      addEos: true,
    },
  ])('follow the metadata, or the kind of tokenizer: $name', ({ tokenizer, addBos, addEos }) => {
    const { bosId, eosId } = tokenizer;
    const expected = [...(addBos ? [bosId] : []), ...(addEos ? [eosId] : [])];
    expect(tokenizer.encode('', { addSpecial: true })).toEqual(expected);
    expect(tokenizer.encode('')).toEqual([]);
    expect(tokenizer).toMatchObject({ addBos, addEos });
  });

  it('ends at eos, eot, eom and tokens known by their text', () => {
    expect([...bpe({ eot_token_id: 260 }).endIds].sort()).toEqual([259, 260]);
    expect([...bpe({ eos_token_id: 260, eom_token_id: 7 }).endIds].sort()).toEqual([259, 260, 7]);
    expect(bpe({ eom_token_id: 7 }).isControl(7)).toBe(true);
  });

  it('treats a user-defined token that is an end as a control token', () => {
    const tokenizer = bpe({ token_type: types(259, 4, 3, 4), eos_token_id: 260 });
    expect(tokenizer.endIds.has(259)).toBe(true);
    expect(tokenizer.decode([256, 259])).toBe('he');
    expect(tokenizer.encode('<|im_end|>')).toHaveLength(10);
  });

  it('does not end at <|end|> if that only ends a message', () => {
    const tokens = [...BYTES, '<|end|>', '<|return|>', '<|call|>'];
    const tokenizer = bpe({ tokens, token_type: types(256, 3, 3, 3), bos_token_id: 0, eos_token_id: 257 });
    expect([...tokenizer.endIds].sort()).toEqual([257, 258]);
  });
});

describe('byte-level BPE', () => {
  it('keeps every byte, and encodes lone surrogates as U+FFFD', () => {
    for (const text of ['', '\0', '\u00ad\u00a0 ~', '日本語 😀', 'a\u{10ffff}\u0085\ufeff']) {
      expect(bpe().decode(bpe().encode(text))).toBe(text);
    }
    expect(bpe().decode(bpe().encode('a\ud83db\udc00'))).toBe('a\ufffdb\ufffd');
  });

  it('encodes a merge without a token as single bytes, and skips a byte without a token', () => {
    const tokenizer = bpe({ ...PLAIN, tokens: BYTES.slice(0, 105) }); // up to i
    expect(pieces(tokenizer, 'hehz')).toEqual(['h', 'e', 'h']);
  });

  it('decodes pieces that spell no bytes literally', () => {
    expect(bpe({ ...PLAIN, tokens: ['世 界', '!'] }).decode([0])).toBe('世 界');
  });
});

describe('SentencePiece', () => {
  it('adds a space before a text, also after a special token, unless the metadata forbids it', () => {
    expect(pieces(sentencePiece(['▁', 'a', '▁a']), 'a<x>a', { special: true })).toEqual(['▁a', '<x>', '▁a']);
    const bare = sentencePiece(['▁', 'a', '▁a'], { add_space_prefix: false });
    expect(pieces(bare, 'a a')).toEqual(['a', '▁a']);
    expect(bare.decode(bare.encode(' a'))).toBe(' a');
  });

  it('removes this space again, and nothing else', () => {
    const tokenizer = sentencePiece(['▁', 'a', '▁a']);
    for (const text of ['a', ' a', '  a a', '']) {
      expect(tokenizer.decode(tokenizer.encode(text, { addSpecial: true }))).toBe(text);
    }
  });

  it('merges the best score first, and the leftmost among equals', () => {
    expect(pieces(sentencePiece(['▁', 'a', 'b', 'bc', 'ab', 'c']), 'abc')).toEqual(['▁', 'a', 'bc']);
    expect(pieces(sentencePiece(['▁', 'a', 'aa']), 'aaa')).toEqual(['▁', 'aa', 'a']);
  });

  it('merges across words if a piece spans them', () => {
    expect(pieces(sentencePiece(['▁', 'a', 'b', 'a▁', 'a▁b']), 'a b')).toEqual(['▁', 'a▁b']);
  });

  it('spells characters without a piece in bytes, or as the unknown token if bytes are missing', () => {
    const tokenizer = sentencePiece(['▁']);
    expect(pieces(tokenizer, '世')).toEqual(['▁', '<0xE4>', '<0xB8>', '<0x96>']);
    expect(tokenizer.decode(tokenizer.encode('世'))).toBe('世');
    const keys = { tokens: ['<unk>', '▁'], token_type: types(0, 2, 1), scores: new Float32Array(2) };
    expect(pieces(sentencePiece([], keys), 'é')).toEqual(['▁', '<unk>']);
  });

  it('makes no byte, control or unknown token from text', () => {
    const text = '<0x41>';
    const steps = ['▁', ...new Set(text), '<0', '<0x', '<0x4', '<0x41'];
    expect(pieces(sentencePiece(steps), text)).toEqual(['▁', '<0x41', '>']);
  });
});

describe('WordPiece', () => {
  const tokenizer = wordPiece(['▁un', 'aff', 'able', '▁a', '▁,', '▁世', '▁界', 'b']);

  it('takes the longest pieces from the left, lower case without accents', () => {
    expect(pieces(tokenizer, 'Únaffable')).toEqual(['▁un', 'aff', 'able']);
    expect(pieces(wordPiece(['▁ως', '▁ωσ']), 'ΩΣ ως')).toEqual(['▁ωσ', '▁ως']);
    expect(tokenizer.decode(tokenizer.encode('Unaffable, a'))).toBe('unaffable , a');
  });

  it('cuts at punctuation and Chinese characters, and drops control characters', () => {
    expect(pieces(tokenizer, 'a,a世界\u200ba\0b')).toEqual(['▁a', '▁,', '▁a', '▁世', '▁界', '▁a', 'b']);
  });

  it('has one unknown token for a word that does not fit or is longer than 100 characters', () => {
    expect(pieces(tokenizer, 'a unx a')).toEqual(['▁a', '[UNK]', '▁a']);
    expect(pieces(tokenizer, `a${'b'.repeat(99)}`)).toHaveLength(100);
    expect(pieces(tokenizer, `a${'b'.repeat(100)}`)).toEqual(['[UNK]']);
  });

  it('keeps case and accents if the metadata says so', () => {
    const cased = wordPiece(['▁Ún', '▁un'], { 'tokenizer.ggml.normalizer.lowercase': false });
    expect(pieces(cased, 'Ún un Un')).toEqual(['▁Ún', '▁un', '[UNK]']);
  });
});

describe('long words', () => {
  const million = 1_000_000;

  it.each([
    { name: 'one letter', text: 'l'.repeat(million), count: million / 2 },
    { name: 'spaces', text: ' '.repeat(million), count: million },
    { name: 'a word', text: 'hello'.repeat(million / 5), count: (2 * million) / 5 },
    { name: 'lone surrogates', text: '\ud800'.repeat(million), count: 3 * million },
  ])('take time linear in their length: a million of $name', ({ text, count }) => {
    expect(bpe().encode(text)).toHaveLength(count);
    expect(wordPiece(['▁l', 'l']).encode(text).length).toBeLessThan(2);
    const ids = sentencePiece(['▁', '▁▁', 'l', 'll']).encode(text);
    expect(ids.length).toBeGreaterThanOrEqual(million / 2);
  });
});

describe('ids of special tokens that are no tokens', () => {
  it.each([
    [{ bos_token_id: 262 }, /bos_token_id is ignored.*below 262.* got 262/],
    [{ bos_token_id: -1 }, /bos_token_id is ignored.* got -1/],
    [{ eot_token_id: 2 ** 32 - 1 }, /eot_token_id is ignored.* got 4294967295/],
    [{ unknown_token_id: 0.5 }, /unknown_token_id is ignored.* got 0\.5/],
    [{ add_bos_token: true, bos_token_id: undefined }, /add_bos_token is ignored/],
  ])('are ignored, and said: %j', (keys, note) => {
    const notes: string[] = [];
    const tokenizer = bpe(keys, (text) => notes.push(text));
    expect(notes).toEqual([expect.stringMatching(note)]);
    expect(tokenizer.encode('hello', { addSpecial: true })).toEqual([256, 258]);
  });

  it('give way to those of the kind of tokenizer', () => {
    expect(sentencePiece([], { bos_token_id: -1, eos_token_id: 1000 })).toMatchObject({ bosId: 1, eosId: 2 });
  });
});

describe('errors', () => {
  const none = undefined;
  it.each([
    { make: () => bpe({ model: none }), message: /tokenizer\.ggml\.model/ },
    { make: () => bpe({ model: 'rwkv' }), message: /gpt2, llama, bert, t5 or gemma4, got "rwkv"/ },
    { make: () => bpe({ pre: 'gpt-9' }), message: /got "gpt-9"/, hint: /llama-bpe, .*qwen2, .*smollm/ },
    { make: () => bpe({ tokens: none }), message: /has no vocabulary/ },
    { make: () => bpe({ tokens: [] }), message: /has no vocabulary/ },
    { make: () => bpe({ tokens: 7 }), message: /array of strings/ },
    { make: () => bpe({ merges: none }), message: /merges/ },
    { make: () => bpe({ token_type: types(3) }), message: /token_type to have 262 elements.* got 3/ },
    { make: () => sentencePiece([], { scores: none }), message: /scores/ },
    { make: () => sentencePiece([], { scores: new Float32Array(1) }), message: /260 elements.* got 1/ },
    {
      make: () => sentencePiece(['a'], { scores: Float32Array.from({ length: 261 }, () => Number.NaN) }),
      message: /^Expected numbers in tokenizer\.ggml\.scores, got NaN for token 0\.$/,
    },
    { make: () => bpe().piece(262), message: /from 0 to 261, got 262/ },
    { make: () => bpe().tokenBytes(-1), message: /from 0 to 261, got -1/ },
    { make: () => bpe().decode([1.5]), message: /got 1\.5/ },
  ])('are reported: $message', ({ make, message, hint }) => {
    const error = thrownBy(make);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(message);
    expect((error as UserError).hint).toMatch(hint ?? /./);
  });
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
