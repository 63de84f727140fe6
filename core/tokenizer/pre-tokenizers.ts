/**
 * Pre-tokenizers split text into words before byte-level BPE merges bytes. tokenizer.ggml.pre names one. The names are
 * those of llama.cpp 0c1e57098 (src/llama-vocab.cpp); the patterns are those of each model's tokenizer.json, as quoted
 * there.
 */
import { UserError } from '../../errors.ts';

/** A regular expression, or what else text.split takes. */
export interface Splitter {
  [Symbol.split](text: string, limit?: number): string[];
}

export interface PreTokenizer {
  /** Applied in order, each to the pieces of the one before. Matches and the gaps between them are words. */
  readonly patterns: readonly Splitter[];
  /** A whole word that is a token is not merged. */
  readonly ignoreMerges: boolean;
  /** Add the begin-of-text token if the metadata does not say. */
  readonly addBos: boolean;
  /** Symbols are characters, with U+2581 for spaces if it says so, not the spelling of bytes; bytes are <0x0A>. */
  readonly characters: 'escaped' | 'plain' | undefined;
}

interface Row {
  readonly names: string;
  readonly patterns: readonly (string | Splitter)[];
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
  readonly characters?: PreTokenizer['characters'];
}

// \s means Unicode White_Space here; see compile.
const { raw } = String;
const SPACES = raw`\s+(?!\S)|\s+`; // all but the last space before a word: that one belongs to the word
const LINES_AND_SPACES = raw`\s*[\r\n]+|${SPACES}`;
/** Runs of 512, 256, 128, ... spaces, but for the last one before a word. */
const HALVED_SPACES = [
  ...[512, 256, 128, 64, 32, 16, 8, 4].map((count) => raw`\s{${count}}(?!\S)`),
  raw`\s{1,2}(?!\S)`,
  raw`\s`,
].join('|');
const GPT2 = raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|${SPACES}`;
const CONTRACTION = raw`(?i:'(?:[sdmt]|ll|ve|re))`;
const LEAD = raw`[^\r\n\p{L}\p{N}]?`; // a word may begin with any one character
const DIGIT = raw`\p{N}`;
const THREE_DIGITS = raw`\p{N}{1,3}`;
const WORD_CHARACTER = /^[\p{L}\p{M}\p{N}\p{Pc}]/u;
const EXAONE = raw`${CONTRACTION}|${LEAD}\p{L}\p{M}*(?: ?\p{L}\p{M}*)*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|${SPACES}`;
const LINES = raw`[^\n]+|[\n]+`;
const HAN = raw`\p{Script=Han}`;
/** The signs of ASCII and a word of ASCII after one, words with any sign before them, and runs of signs (DeepSeek V3). */
const DEEPSEEK3 = raw`[!-\/:-@\[-\x60\{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${LINES_AND_SPACES}`;
const KANA_AND_HAN = '[一-龥\u3040-ゟ゠-ヿ]+';
const BLOOM = ' ?[^(\\s|.,!?…。，、।۔،)]+';

/** The family of OpenAI's cl100k. */
const cl100k = (digits: string): string =>
  raw`${CONTRACTION}|${LEAD}\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|${LINES_AND_SPACES}`;

/**
 * The family of OpenAI's o200k: a word ends where capitals begin.
 *
 * @param unless a look-ahead: letters that are none
 */
const o200k = (digits: string, suffix: string, unless = ''): string => {
  const letter = (letters: string) => (unless === '' ? letters : `(?:${unless}${letters})`);
  const upper = letter(raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`);
  const lower = letter(raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`);
  const word = `${LEAD}${upper}*${lower}+${suffix}|${LEAD}${upper}+${lower}*${suffix}`;
  return raw`${word}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${LINES_AND_SPACES}`;
};

/** Cased letters as DeepSeek LLM's tokenizer.json lists them. */
const CASED =
  'A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}';

const ROWS: readonly Row[] = [
  {
    names:
      'gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 mellum modern-bert exaone4 mpt olmo jais trillion granite-docling',
    patterns: [GPT2],
  },
  {
    names: 'smollm starcoder refact command-r codeshell exaone minerva-7b mellum2',
    patterns: [DIGIT, GPT2],
  },
  {
    names: 'llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    patterns: [cl100k(THREE_DIGITS)],
    ignoreMerges: true,
    addBos: true,
  },
  { names: 'glm4 glm5', patterns: [cl100k(THREE_DIGITS)], ignoreMerges: true },
  { names: 'dbrx smaug-bpe chatglm-bpe', patterns: [cl100k(THREE_DIGITS)] },
  { names: 'minicpm5', patterns: [THREE_DIGITS, cl100k(raw`\p{N}+`)], ignoreMerges: true },
  {
    names: 'qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2',
    patterns: [cl100k(DIGIT)],
  },
  {
    names: 'qwen35',
    patterns: [
      raw`${CONTRACTION}|${LEAD}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${LINES_AND_SPACES}`,
    ],
  },
  {
    names: 'seed-coder',
    patterns: [raw`${CONTRACTION}|${LEAD}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|${LINES_AND_SPACES}`],
  },
  { names: 'gpt-4o llama4 kanana2 talkie minimax-m2', patterns: [o200k(THREE_DIGITS, `${CONTRACTION}?`)] },
  { names: 'tekken', patterns: [o200k(DIGIT, '')], ignoreMerges: true, addBos: true },
  {
    names: 'deepseek-v3 hunyuan-dense joyai-llm hy_v4',
    patterns: [THREE_DIGITS, KANA_AND_HAN, DEEPSEEK3],
  },
  {
    names: 'deepseek-coder',
    patterns: [raw`[\r\n]`, raw`\s?\p{L}+`, raw`\s?\p{P}+`, '[一-龥ࠀ-一가-\ud7ff]+', DIGIT],
  },
  {
    names: 'bailingmoe bailingmoe2 llada-moe',
    patterns: [raw`'(?i:[sdmt]|ll|ve|re)|${LEAD}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|${SPACES}`],
  },
  {
    names: 'exaone-moe',
    patterns: [EXAONE],
  },
  {
    names: 'ufakzeka',
    patterns: [raw`${LEAD}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${LINES_AND_SPACES}`],
  },
  { names: 'laguna', patterns: [LINES, cl100k(DIGIT)] },
  {
    names: 'jais-2',
    patterns: [
      raw`${CONTRACTION}|${LEAD}\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|${HALVED_SPACES}`,
    ],
  },
  {
    names: 'granite-embed-multi-97m',
    patterns: [o200k(THREE_DIGITS, `${CONTRACTION}?`)],
    ignoreMerges: true,
  },
  {
    names: 'tiny_aya cohere2moe',
    patterns: [threesFromTheRight(raw`\p{Nd}+`, WORD_CHARACTER), o200k(THREE_DIGITS, `${CONTRACTION}?`)],
  },
  {
    names: 'kimi-k2',
    patterns: [
      raw`${HAN}+|${o200k(THREE_DIGITS, `${CONTRACTION}?`, `(?!${HAN})`).replace('[\\r\\n/]*', '[\\r\\n]*')}`,
    ],
  },
  {
    names: 'youtu',
    patterns: [
      '[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
      o200k(DIGIT, `${CONTRACTION}?`),
    ],
    ignoreMerges: true,
  },
  {
    names: 'afmoe',
    patterns: [
      threesFromTheRight(raw`\p{N}+`),
      '[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+',
      DEEPSEEK3,
    ],
  },
  {
    names: 'spark2_5',
    patterns: [
      THREE_DIGITS,
      KANA_AND_HAN,
      raw`[!-\/:-@\[-\x60\{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|${SPACES}`,
      DIGIT,
    ],
  },
  {
    names: 'deepseek-llm',
    patterns: [
      raw`[\r\n]`,
      `\\s?[${CASED}]+`,
      raw`\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+`,
      raw`\s+$`,
      '[一-龥ࠀ-一가-\ud7ff]+',
      raw`\p{N}+`,
    ],
  },
  { names: 'superbpe', patterns: [threesFromTheRight(raw`\p{N}+`)] },
  {
    names: 'chameleon',
    patterns: [
      '<sentinel:[0-9]+>',
      'IMGIMG[A-I]{1,4}Z',
      raw`[\t\n]|    |  `,
      DIGIT,
      raw`[\p{P}!-\/:-@\[-\x60\{-~]`,
      GPT2,
    ],
    addBos: true,
  },
  { names: 'gemma4 granite-embed-multi-311m sarvam-moe', patterns: [LINES], characters: 'escaped' },
  { names: 'whitespace', patterns: [raw`\S+`], characters: 'plain' },
  { names: 'falcon', patterns: [raw`[\p{P}$+<=>^~|\x60]+`, GPT2, '[0-9][0-9][0-9]'] },
  { names: 'default', patterns: [raw`[\p{P}$+<=>^~|]+`, GPT2, raw`\p{N}+`, '[0-9][0-9][0-9]'] },
  { names: 'bloom poro-chat gpt3-finnish', patterns: [BLOOM] },
  { names: 'viking', patterns: [BLOOM, DIGIT] },
];

/** Of byte-level tokenizers without a pattern of their own. */
export const GPT2_PATTERN = GPT2;

/** All known pre-tokenizers, each under its first name. */
export function rowsOfPatterns(): readonly (PreTokenizer & { readonly name: string })[] {
  return ROWS.map(({ names }) => {
    const name = names.split(' ')[0]!;
    return { name, ...preTokenizerOf(name) };
  });
}

/**
 * A pre-tokenizer of patterns from outside. Throws UserError for one that JavaScript does not know, and for one that could
 * take very long on some text.
 */
export function preTokenizerFrom(patterns: readonly string[], ignoreMerges: boolean): PreTokenizer {
  return { patterns: patterns.map(compileForeign), ignoreMerges, addBos: false, characters: undefined };
}

/** Most repetitions without a bound in one alternative: each one more may multiply the time by the length of a word. */
const MOST_REPETITIONS = 3;
const LONGEST_PATTERN = 20_000;

/** Patterns of real models that could take quadratic time, and what splits alike. */
const ALIKE: ReadonlyMap<string, string | Splitter> = new Map<string, string | Splitter>([
  [raw`\p{Nd}{1,3}(?=(?:\p{Nd}{3})*\b)`, threesFromTheRight(raw`\p{Nd}+`, WORD_CHARACTER)],
  [raw`(?=(\p{Nd}{3})+(?!\p{Nd}))`, threesFromTheRight(raw`\p{Nd}+`)],
  [
    raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|${LEAD}(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|${SPACES}`,
    EXAONE,
  ],
]);

/** A pattern that a model brings. Real ones repeat characters, never groups. */
export function compileForeign(source: string): Splitter {
  const alike = ALIKE.get(source);
  if (alike !== undefined) return typeof alike === 'string' ? compile(alike) : alike;
  const plain = source.replace(/\\./gs, 'x').replace(/\[(?:[^\]])*\]/g, 'x');
  const repeatsGroup = /\)(?:[*+]|\{\d+,\d*\})/.test(plain);
  const most = Math.max(...plain.split('|').map((part) => part.match(/[*+]|\{\d+,\}/g)?.length ?? 0));
  if (source.length > LONGEST_PATTERN || repeatsGroup || most > MOST_REPETITIONS) {
    throw new UserError(
      'The pattern of the pre-tokenizer could take very long on some texts, so it is not used.',
      'Give ids with --prompt-ids, or use another file of the model.',
    );
  }
  try {
    return compile(source);
  } catch (cause) {
    throw new UserError(
      `The pattern of the pre-tokenizer is not supported: ${cause instanceof Error ? cause.message : cause}.`,
      'Give ids with --prompt-ids, or use another file of the model.',
      { cause },
    );
  }
}

/** The pre-tokenizer with this name; by default llama.cpp's default. Throws UserError for an unknown name. */
export function preTokenizerOf(name = 'default'): PreTokenizer {
  const row = ROWS.find(({ names }) => names.split(' ').includes(name));
  if (row === undefined) {
    const known = ROWS.flatMap(({ names }) => names.split(' ')).sort();
    throw new UserError(
      `Expected a known pre-tokenizer under tokenizer.ggml.pre, got "${name.slice(0, 60)}".`,
      `If it is like another one, name that: --pre NAME. Known are: ${known.join(', ')}.`,
    );
  }
  return {
    patterns: row.patterns.map((pattern) => (typeof pattern === 'string' ? compile(pattern) : pattern)),
    ignoreMerges: row.ignoreMerges === true,
    addBos: row.addBos === true,
    characters: row.characters,
  };
}

/**
 * Splits runs of digits into threes, counted from their end, which a pattern with a look-ahead could do in quadratic time
 * only. A run before `unless` stays whole.
 */
function threesFromTheRight(run: string, unless?: RegExp): Splitter {
  const runs = compile(run);
  return {
    [Symbol.split](text) {
      const parts = text.split(runs); // every other one is a run
      return parts.flatMap((part, i) => {
        const isWhole = i % 2 === 0 || unless?.test(parts[i + 1] ?? '');
        if (isWhole) return [part];
        const digits = [...part];
        const first = digits.length % 3;
        const starts = Array.from(
          { length: Math.ceil(digits.length / 3) },
          (_, n) => 3 * n - ((3 - first) % 3),
        );
        return starts.map((start) => digits.slice(Math.max(0, start), start + 3).join(''));
      });
    },
  };
}

/** Words of a text, in order; joined, they are the text. Linear in its length. */
export function splitWords(text: string, { patterns }: PreTokenizer): string[] {
  let words = [text];
  for (const pattern of patterns) words = words.flatMap((word) => word.split(pattern));
  return words.filter((word) => word !== '');
}

/**
 * Compiles a pattern in a capturing group, so that split() keeps the matches. JavaScript's \s is not White_Space: it
 * has U+FEFF and lacks U+0085.
 */
function compile(source: string): RegExp {
  const unicode = source.replaceAll(raw`\s`, raw`\p{White_Space}`).replaceAll(raw`\S`, raw`\P{White_Space}`);
  return new RegExp(`(${unicode})`, 'u');
}
