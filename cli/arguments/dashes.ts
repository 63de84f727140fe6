/**
 * Tells text from options before yargs sees it, which takes every word that begins with a dash for an option. Text gets
 * a mark in front: NUL, which no argument can contain.
 */
const MARK = '\0';

/** A name, with or without a value behind "="; or letters. Anything else that begins with a dash is text. */
const OPTION = /^(?:--?[a-z][\w-]*(?:=.*)?|-[a-z]\S*)$/is;

/** Facts about the options of the program, by a word such as "--system" or "-s". */
interface KnownOptions {
  readonly takesValue: (word: string) => boolean; // which is the next word
  readonly isOption: (word: string) => boolean;
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

export function withoutMark(word: string): string {
  return word.startsWith(MARK) ? word.slice(MARK.length) : word;
}
