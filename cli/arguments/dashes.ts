/**
 * Tells text from options before yargs sees it, which takes every word that begins with a dash for an option. Text gets
 * a mark in front: NUL, which no argument can contain.
 */
const MARK = '\0';

/** A name, with or without a value after "="; or letters. Anything else that begins with a dash is text. */
const OPTION = /^(?:--?[a-z][\w-]*(?:=.*)?|-[a-z]\S*)$/is;

/** Facts about the options of the program, by a word such as "--system" or "-s". */
interface KnownOptions {
  readonly takesValue: (word: string) => boolean; // which is the next word
  readonly isOption: (word: string) => boolean;
  readonly optional: ReadonlyMap<string, string>; // words whose value may be left out, with their long form
}

/** Marks text that begins with a dash: words that cannot be options, and values that are not options themselves. */
export function withMarks(args: readonly string[], { takesValue, isOption }: KnownOptions): string[] {
  const words: string[] = [];
  let isValue = false;
  for (const [i, word] of args.entries()) {
    if (word === '--' && !isValue) return [...words, ...args.slice(i)];
    const isText = isValue ? !isOption(word) : !OPTION.test(word);
    words.push(isText && /^-./s.test(word) ? MARK + word : word); // a single dash is stdin
    isValue = !isValue && takesValue(word);
  }
  return words;
}

/** Gives an option whose value may be left out an empty one, where the arguments end or another option follows. */
export function withEmptyValues(args: readonly string[], { isOption, optional }: KnownOptions): string[] {
  const end = args.indexOf('--');
  return args.map((word, i) => {
    const next = args[i + 1];
    const isBare = next === undefined || next === '--' || isOption(next);
    const isText = end >= 0 && i > end;
    return optional.has(word) && isBare && !isText ? `${optional.get(word)}=` : word;
  });
}

export function withoutMark(word: string): string {
  return word.startsWith(MARK) ? word.slice(MARK.length) : word;
}
