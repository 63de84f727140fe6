/**
 * What a user searches for, as a question to the index and as a look at the text itself.
 *
 * The index knows words: letters and digits between anything else. A part of the query that is more than one word
 * (C++, a.b, "two words") or none (an emoji, or a language without spaces) must stand in the text as it is.
 */
import { UserError } from '../../errors.ts';

/** A piece of text with what was found in it. */
export interface Snippet {
  readonly text: string; // on one line
  readonly matches: readonly (readonly [start: number, length: number])[]; // in UTF-16 units, ascending
}

interface Term {
  readonly text: string; // in small letters
  readonly words: readonly string[]; // folded; empty where the index cannot help
  readonly literal: boolean;
}

const WORD = /[\p{L}\p{N}\p{Co}\p{M}]+/gu;
/** Scripts that put no spaces between words, and marks that the index takes for spaces. */
const UNSPACED =
  /[\p{M}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

const SNIPPET_CHARACTERS = 120;
const CHARACTERS_BEFORE = 30;
/** Matches that a snippet is chosen by. */
const MOST_MATCHES = 200;

export class SearchQuery {
  readonly #terms: readonly Term[];

  /** Throws UserError (usage) where there is nothing to search for. */
  constructor(text: string) {
    const parts = Array.from(text.matchAll(/"([^"]*)"|[^\s"]+/g), ([part, phrase]) => phrase ?? part);
    this.#terms = parts.filter((part) => part.trim() !== '').map(termOf);
    if (this.#terms.length > 0) return;
    throw new UserError('Expected words to search for, got none.', 'Run: percept sessions search WORDS', {
      kind: 'usage',
    });
  }

  /** For FTS5: every word as a beginning of one; absent where only a look at every text helps. */
  get match(): string | undefined {
    const phrases = this.#terms.filter(({ words }) => words.length > 0).map(({ words }) => words.join(' '));
    return phrases.length > 0 ? phrases.map((phrase) => `"${phrase}"*`).join(' ') : undefined;
  }

  /** Whether a text that the index found has the parts that the index does not know. */
  accepts(text: string): boolean {
    const small = text.normalize('NFC').toLowerCase();
    return this.#terms.every((term) => !term.literal || small.includes(term.text));
  }

  /** Whether every part is found in a short text that is not in the index. */
  matches(text: string): boolean {
    const found = new Set(this.#find(text).map(({ term }) => term));
    return found.size === this.#terms.length;
  }

  /** The part of a text where the most of the query is found close together. */
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

  /** Where the terms stand, in order of place. */
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
  readonly term: number; // which
  readonly at: number;
  readonly length: number;
}

function termOf(part: string): Term {
  const text = part.normalize('NFC').toLowerCase();
  const words = UNSPACED.test(text) ? [] : (text.match(WORD) ?? []);
  return { text, words: words.map(fold), literal: words.length !== 1 || words[0] !== text };
}

/** As the index folds: small letters without accents. */
function fold(text: string): string {
  return text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC');
}

/** The match from which on the most terms lie within a snippet. */
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

/** A beginning of a word some way before `at`. */
function startNear(line: string, at: number): number {
  if (at <= CHARACTERS_BEFORE) return 0;
  const space = line.indexOf(' ', at - CHARACTERS_BEFORE);
  return space >= 0 && space < at ? space + 1 : at;
}

/** `end`, or one before it rather than between the halves of a character. */
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
