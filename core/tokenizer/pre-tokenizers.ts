/**
 * Pre-tokenizers split text into words before byte-level BPE merges bytes. tokenizer.ggml.pre names one. The names are
 * those of llama.cpp 0c1e57098 (src/llama-vocab.cpp); the patterns are those of each model's tokenizer.json, as quoted
 * there.
 */
import { UserError } from '../../errors.ts';

export interface PreTokenizer {
  /** Applied in order, each to the pieces of the one before. Matches and the gaps between them are words. */
  readonly patterns: readonly RegExp[];
  /** A whole word that is a token is not merged. */
  readonly ignoreMerges: boolean;
  /** Add the begin-of-text token if the metadata does not say. */
  readonly addBos: boolean;
}

interface Row {
  readonly names: string;
  readonly patterns: readonly string[];
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}

// \s means Unicode White_Space here; see compile.
const { raw } = String;
const SPACES = raw`\s+(?!\S)|\s+`; // all but the last space before a word: that one belongs to the word
const LINES_AND_SPACES = raw`\s*[\r\n]+|${SPACES}`;
const GPT2 = raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|${SPACES}`;
const CONTRACTION = raw`(?i:'(?:[sdmt]|ll|ve|re))`;
const LEAD = raw`[^\r\n\p{L}\p{N}]?`; // a word may begin with any one character
const DIGIT = raw`\p{N}`;
const THREE_DIGITS = raw`\p{N}{1,3}`;
const BLOOM = ' ?[^(\\s|.,!?…。，、।۔،)]+';

/** The family of OpenAI's cl100k. */
const cl100k = (digits: string): string =>
  raw`${CONTRACTION}|${LEAD}\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|${LINES_AND_SPACES}`;

/** The family of OpenAI's o200k: a word ends where capitals begin. */
const o200k = (digits: string, suffix: string): string => {
  const upper = raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
  const lower = raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
  const word = `${LEAD}${upper}*${lower}+${suffix}|${LEAD}${upper}+${lower}*${suffix}`;
  return raw`${word}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${LINES_AND_SPACES}`;
};

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
    names:
      'qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe',
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
    patterns: [
      THREE_DIGITS,
      '[一-龥\u3040-ゟ゠-ヿ]+',
      raw`[!-\/:-@\[-\x60\{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${LINES_AND_SPACES}`,
    ],
  },
  {
    names: 'deepseek-coder',
    patterns: [raw`[\r\n]`, raw`\s?\p{L}+`, raw`\s?\p{P}+`, '[一-龥ࠀ-一가-\ud7ff]+', DIGIT],
  },
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
  return { patterns: patterns.map(compileForeign), ignoreMerges, addBos: false };
}

/** Most repetitions without a bound in one alternative: each one more may multiply the time by the length of a word. */
const MOST_REPETITIONS = 3;
const LONGEST_PATTERN = 20_000;

/** A pattern that a model brings. Real ones repeat characters, never groups. */
export function compileForeign(source: string): RegExp {
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
      `Expected a known pre-tokenizer under tokenizer.ggml.pre, got "${name}".`,
      `Supported are: ${known.join(', ')}.`,
    );
  }
  return {
    patterns: row.patterns.map(compile),
    ignoreMerges: row.ignoreMerges === true,
    addBos: row.addBos === true,
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
