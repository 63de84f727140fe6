/**
 * The regular expressions of a tokenizer.json. They are written for Oniguruma; JavaScript's differ in a few spellings.
 * GGUF knows pre-tokenizers by name: a name is that of the row with the same patterns.
 */
import { UserError } from '../../errors.ts';
import { compileForeign, GPT2_PATTERN, rowsOfPatterns, type Splitter } from './pre-tokenizers.ts';

/** A part of a tokenizer: its type and its settings. */
export type JsonPart = Readonly<Record<string, unknown>>;

/** The patterns in order, each applied to the pieces of the one before. Throws UserError for a part that is not supported. */
export function patternsOf(parts: readonly JsonPart[], path: string): string[] {
  return parts.flatMap((part) => {
    const pattern = patternOf(part, path);
    return pattern === undefined ? [] : [pattern];
  });
}

function patternOf(part: JsonPart, path: string): string | undefined {
  switch (part.type) {
    case 'ByteLevel':
      return part.use_regex === false ? undefined : GPT2_PATTERN;
    case 'Digits':
      return part.individual_digits === true ? '\\p{N}' : '\\p{N}+';
    case 'Punctuation':
      return '[\\p{P}!-\\/:-@\\[-\\x60\\{-~]';
    case 'Split':
      return splitPattern(part, path);
    case 'Whitespace':
      return '[\\p{L}\\p{M}\\p{N}\\p{Pc}]+|[^\\p{L}\\p{M}\\p{N}\\p{Pc}\\s]+';
    default:
      throw unsupported(path, `the pre-tokenizer ${JSON.stringify(part.type)?.slice(0, 40)}`);
  }
}

/** Matches are words of their own, and so are the gaps; inverted, the pattern matches words as well. */
function splitPattern({ pattern, behavior }: JsonPart, path: string): string {
  const { Regex: regex, String: text } = (pattern ?? {}) as JsonPart;
  if (behavior !== 'Isolated' && behavior !== 'Removed')
    throw unsupported(path, `a split that is ${JSON.stringify(behavior)}`);
  if (typeof text === 'string') return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  if (typeof regex !== 'string') throw unsupported(path, 'a split without a pattern');
  return translate(regex);
}

/** Scripts that patterns name without "Script=". */
const SCRIPTS = /^(?:Han|Hiragana|Katakana|Hangul|Latin|Cyrillic|Greek|Arabic|Hebrew|Thai|Devanagari)$/;

/** Oniguruma's spelling as JavaScript's, with the flag u. Possessive and atomic parts only forbid to go back. */
export function translate(regex: string): string {
  return regex
    .replace(/\(\?>/g, '(?:')
    .replace(/((?:^|[^\\])(?:[?*+]|\{\d+(?:,\d*)?\}))\+/g, '$1')
    .replace(/\\([pP])\{(\^?)(\w+)\}/g, (_, p: string, not: string, name: string) => {
      const letter = not ? (p === 'p' ? 'P' : 'p') : p;
      return `\\${letter}{${SCRIPTS.test(name) ? `Script=${name}` : name}}`;
    })
    .replace(/\\x\{([0-9A-Fa-f]+)\}/g, '\\u{$1}')
    .replace(/\\d/g, '\\p{Nd}')
    .replace(/\\D/g, '\\P{Nd}')
    .replace(/\\h/g, '[\\t\\p{Zs}]')
    .replace(/\\(['"`\s!#%&,:;<=>@_~-])/g, (whole, sign: string) => (sign === '-' ? whole : sign));
}

/** The name under which GGUF files know these patterns; "default" if they have none. */
export function preTokenizerNameOf(patterns: readonly string[], ignoreMerges: boolean): string {
  const wanted = patterns.map((pattern) => compileForeign(pattern));
  const words = (regexes: readonly Splitter[]) =>
    regexes.reduce((list, regex) => list.flatMap((word) => word.split(regex)), [PROBE]).filter(Boolean);
  const expected = words(wanted).join('\0');
  const row = rowsOfPatterns().find(
    (each) =>
      !each.characters && each.ignoreMerges === ignoreMerges && words(each.patterns).join('\0') === expected,
  );
  return row?.name ?? 'default';
}

/** Tells the known pre-tokenizers apart. */
const PROBE =
  "Hello, WORLD's  don't DON'T  x=1234567; a1b22  ...!!! \n\n  \r\n\t tabs_and-dashes/paths  caf\u00e9 e\u0301a na\u00efve \u0928\u092e\u0938\u094d\u0924\u0947 " +
  '\u4f60\u597d\u4e16\u754c123\u3042\u3044 \u30ab\u30bf\u30ab\u30ca \ud55c\uad6d\uc5b4 \u0645\u0631\u062d\u0628\u0627 \u0663\u0664\u0665\u0666 HTMLParser camelCase \ud83d\ude00\ud83d\udc4d\ud83c\udffd $100.50 (a+b)*c^2 <tag> "q"  \u3000 end \u2026\u3002\uff0c [x]\n';

function unsupported(path: string, what: string): UserError {
  return new UserError(
    `${path} has ${what}, which is not supported.`,
    'Give ids with --prompt-ids, or use a .gguf file of the model.',
  );
}
