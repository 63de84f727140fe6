/**
 * Rules of a .gitignore file, matched without regular expressions: the file may be a stranger's, and a pattern such as
 * `*a*a*a*b` as an expression could take for ever.
 */

export interface IgnoreRule {
  readonly base: string; // folder of the file, with / at its end; '' is the attached folder
  readonly names: readonly string[]; // patterns of names from the base on; ** stands for any number of them
  readonly isNegated: boolean;
  readonly onlyFolders: boolean;
}

/**
 * A longer .gitignore is an error: every entry of a folder may be compared with every rule. For 20,000 entries and this
 * many bytes of usual rules that takes 23 s.
 */
export const MOST_IGNORE_BYTES = 65_536;

/** The rules in a text, in order. */
export function ignoreRules(text: string, base: string): IgnoreRule[] {
  return text.split(/\r?\n/).flatMap((line) => ruleOf(line, base) ?? []);
}

function ruleOf(line: string, base: string): IgnoreRule | undefined {
  if (line.startsWith('#')) return undefined;
  const isNegated = line.startsWith('!');
  const pattern = withoutTrailingSpaces(isNegated ? line.slice(1) : line);
  const onlyFolders = pattern.endsWith('/');
  const path = onlyFolders ? pattern.slice(0, -1) : pattern;
  if (path === '') return undefined;
  const names = path.replace(/^\//, '').split('/');
  if (!path.includes('/')) names.unshift('**'); // a name alone holds at any depth
  return { base, names, isNegated, onlyFolders };
}

/** A space after a backslash stays. */
function withoutTrailingSpaces(pattern: string): string {
  let end = pattern.length;
  while (end > 0 && pattern[end - 1] === ' ' && pattern[end - 2] !== '\\') end--;
  return pattern.slice(0, end);
}

/** Whether the last rule that fits `path` leaves it out. @param path from the attached folder on */
export function isIgnored(path: string, isFolder: boolean, rules: readonly IgnoreRule[]): boolean {
  const rule = rules.findLast(({ base, names, onlyFolders }) => {
    if ((onlyFolders && !isFolder) || !path.startsWith(base)) return false;
    return matchesNames(names, path.slice(base.length).split('/'));
  });
  return rule !== undefined && !rule.isNegated;
}

/** At its end, `**` stands for at least one name. */
function matchesNames(patterns: readonly string[], names: readonly string[]): boolean {
  return matchesRun(patterns, names, {
    isStar: (pattern) => pattern === '**',
    isOne: matchesName,
    least: patterns.at(-1) === '**' ? 1 : 0,
  });
}

/** `*`, `?`, classes as in `[a-z]` or `[!0]`, and characters after a backslash. */
function matchesName(pattern: string, name: string): boolean {
  return matchesRun(partsOf(pattern), [...name], {
    isStar: (part) => part === '*',
    isOne: matchesCharacter,
    least: 0,
  });
}

/** A pattern of one name, cut into what stands for one character, and `*`. */
function partsOf(pattern: string): string[] {
  return pattern.match(/\\.|\[[!^]?\]?[^\]]*\]|./gsu) ?? [];
}

function matchesCharacter(part: string, character: string): boolean {
  if (part === '?') return true;
  if (part.length > 1 && part.startsWith('\\')) return part.slice(1) === character;
  if (part.length > 1 && part.startsWith('[')) return isInClass(part.slice(1, -1), character);
  return part === character;
}

function isInClass(members: string, character: string): boolean {
  const isNegated = /^[!^]/.test(members);
  const ranges = members.slice(isNegated ? 1 : 0).match(/.-.|./gsu) ?? [];
  const isMember = ranges.some((range) => {
    const [first, , last = first] = [...range];
    return first! <= character && character <= last!;
  });
  return isMember !== isNegated;
}

interface Matching {
  readonly isStar: (pattern: string) => boolean;
  readonly isOne: (pattern: string, item: string) => boolean;
  /** Items that a star at the end stands for, at least. */
  readonly least: number;
}

/** Matches with one step back, to the last star: the time is at most that of all patterns times all items. */
function matchesRun(
  patterns: readonly string[],
  items: readonly string[],
  { isStar, isOne, least }: Matching,
): boolean {
  let [p, i] = [0, 0];
  let [star, from] = [-1, 0]; // the last star, and the first item after those that it stands for
  while (i < items.length) {
    if (p < patterns.length && isStar(patterns[p]!)) {
      [star, from] = [p++, i];
      if (p === patterns.length) return items.length - i >= least;
    } else if (p < patterns.length && isOne(patterns[p]!, items[i]!)) [p, i] = [p + 1, i + 1];
    else if (star < 0) return false;
    else [p, i] = [star + 1, ++from];
  }
  while (p < patterns.length && isStar(patterns[p]!)) p++;
  return p === patterns.length && !(least > 0 && p > 0 && isStar(patterns[p - 1]!));
}
