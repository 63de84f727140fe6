/**
 * A search query, for the full-text index and for matching in a text.
 *
 * The index contains words: runs of letters and digits. A part of the query that is not exactly one word (C++, a.b,
 * "two words", an emoji, a language without spaces) must also occur in the text literally.
 */
import { UserError } from '../../errors.ts';

/** An excerpt of a text, with its matches. */
export interface Snippet {
  readonly text: string; // on one line
  readonly matches: readonly (readonly [start: number, length: number])[]; // in UTF-16 units, ascending
}

interface Term {
  readonly text: string; // in lower case
  readonly words: readonly string[]; // folded; empty if the index cannot find it
  readonly literal: boolean;
}

const WORD = /[\p{L}\p{N}\p{Co}\p{M}]+/gu;
/** Scripts without spaces between words, and marks, which the index treats as spaces. */
const UNSPACED =
  /[\p{M}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

const SNIPPET_CHARACTERS = 120;
const CHARACTERS_BEFORE = 30;
/** Most matches considered for a snippet. */
const MOST_MATCHES = 200;

export class SearchQuery {
  readonly #terms: readonly Term[];

  /** Throws UserError (usage) if `text` contains no words. */
  constructor(text: string) {
    const parts = Array.from(text.matchAll(/"([^"]*)"|[^\s"]+/g), ([part, phrase]) => phrase ?? part);
    this.#terms = parts.filter((part) => part.trim() !== '').map(termOf);
    if (this.#terms.length > 0) return;
    throw new UserError('There are no words to search for.', 'Run: percept sessions search WORDS', {
      kind: 'usage',
    });
  }

  /** The FTS5 query: prefixes of words. Undefined if every text has to be searched instead. */
  get match(): string | undefined {
    const phrases = this.#terms.filter(({ words }) => words.length > 0).map(({ words }) => words.join(' '));
    return phrases.length > 0 ? phrases.map((phrase) => `"${phrase}"*`).join(' ') : undefined;
  }

  /** Whether a text found by the index contains the literal parts, too. */
  accepts(text: string): boolean {
    const small = text.normalize('NFC').toLowerCase();
    return this.#terms.every((term) => !term.literal || small.includes(term.text));
  }

  /** Whether a text outside the index contains every part. */
  matches(text: string): boolean {
    const found = new Set(this.#find(text).map(({ term }) => term));
    return found.size === this.#terms.length;
  }

  /** The excerpt in which the most parts of the query are close together. */
  snippet(text: string): Snippet {
    const line = text.replace(/\s+/g, ' ').trim();
    const found = this.#find(line);
    const start = startNear(line, bestOf(found));
    const end = cutAt(line, start + SNIPPET_CHARACTERS);
    const lead = start > 0 ? '…' : '';
    const tail = end < line.length ? '…' : '';
    const inside = found.filter(({ at, length }) => at >= start && at + length <= end);
    return {
      text: `${lead}${line.slice(start, end)}${tail}`,
      matches: disjoint(inside.map(({ at, length }) => [at - start + lead.length, length] as const)),
    };
  }

  /** All matches, by position. */
  #find(text: string): Found[] {
    const found: Found[] = [];
    for (const [term, { text: wanted, words, literal }] of this.#terms.entries()) {
      if (literal) {
        for (const match of text.matchAll(new RegExp(RegExp.escape(wanted), 'giu'))) {
          found.push({ term, at: match.index, length: match[0].length });
        }
        continue;
      }
      for (const match of text.matchAll(WORD)) {
        if (fold(match[0]).startsWith(words[0]!))
          found.push({ term, at: match.index, length: match[0].length });
      }
    }
    return found.sort((a, b) => a.at - b.at).slice(0, MOST_MATCHES);
  }
}

interface Found {
  readonly term: number; // index
  readonly at: number;
  readonly length: number;
}

function termOf(part: string): Term {
  const text = part.normalize('NFC').toLowerCase();
  const words = UNSPACED.test(text) ? [] : (text.match(WORD) ?? []);
  return { text, words: words.map(fold), literal: words.length !== 1 || words[0] !== text };
}

/** Folds as the index does: to lower case, without accents. */
function fold(text: string): string {
  return text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC');
}

/** Position of the match after which a snippet contains the most terms. */
function bestOf(found: readonly Found[]): number {
  let best = 0;
  let most = 0;
  for (const { at } of found) {
    const within = found.filter((other) => other.at >= at && other.at - at < SNIPPET_CHARACTERS / 2);
    const terms = new Set(within.map(({ term }) => term)).size;
    if (terms <= most) continue;
    most = terms;
    best = at;
  }
  return best;
}

/** The start of a word up to CHARACTERS_BEFORE before `at`. */
function startNear(line: string, at: number): number {
  if (at <= CHARACTERS_BEFORE) return 0;
  const space = line.indexOf(' ', at - CHARACTERS_BEFORE);
  return space >= 0 && space < at ? space + 1 : at;
}

/** `end`, or one less if it would split a surrogate pair. */
function cutAt(line: string, end: number): number {
  if (end >= line.length) return line.length;
  return /[\ud800-\udbff]/.test(line[end - 1]!) ? end - 1 : end;
}

function disjoint(matches: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  let end = 0;
  for (const match of matches) {
    if (match[0] < end) continue;
    kept.push(match);
    end = match[0] + match[1];
  }
  return kept;
}
