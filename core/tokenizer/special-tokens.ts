import { covers, type Spans } from './spans.ts';
import { TokenType, type Vocabulary } from './vocabulary.ts';

/** The texts of the special tokens: sorted, so that those with a common beginning lie together. */
interface Table {
  readonly texts: readonly string[];
  readonly ids: readonly number[]; // of each text
  readonly firsts: Uint8Array; // 1 for each UTF-16 unit that a text starts with
}

/** Whether the text of a token stands for the token at this place. */
type IsParsed = (id: number, start: number, end: number) => boolean;

/** Finds the special tokens of a vocabulary in text. */
export class SpecialTokens {
  readonly #vocabulary: Vocabulary;
  #table: Table | undefined;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /**
   * Splits text into plain texts and ids of special tokens; the longest token at a place wins. User-defined tokens are
   * always found, control and unknown tokens where `special` says.
   */
  split(text: string, special: boolean | Spans): (string | number)[] {
    const { types, takesBefore, takesAfter } = this.#vocabulary;
    this.#table ??= tableOf(this.#vocabulary);
    const isParsed: IsParsed = (id, start, end) =>
      types[id] === TokenType.USER_DEFINED ||
      (typeof special === 'boolean' ? special : covers(special, start, end));
    const parts: (string | number)[] = [];
    let plain = 0; // start of the plain text
    for (let at = 0; at < text.length; ) {
      const found = longestAt(this.#table, text, at, isParsed);
      if (found === undefined) {
        at++;
        continue;
      }
      let end = at; // of the plain text
      if (takesBefore.has(found.id)) while (end > plain && isSpace(text.charAt(end - 1))) end--;
      if (end > plain) parts.push(text.slice(plain, end));
      parts.push(found.id);
      at = found.end;
      if (takesAfter.has(found.id)) while (isSpace(text.charAt(at))) at++;
      plain = at;
    }
    if (plain < text.length) parts.push(text.slice(plain));
    return parts;
  }
}

function isSpace(character: string): boolean {
  return /\p{White_Space}/u.test(character);
}

function tableOf({ specialTexts }: Vocabulary): Table {
  const idOf = new Map<string, number>(); // the last of equal texts
  for (const [id, text] of specialTexts) if (text !== '') idOf.set(text, id);
  const texts = [...idOf.keys()].sort(); // by UTF-16 units
  const firsts = new Uint8Array(1 << 16);
  for (const text of texts) firsts[text.charCodeAt(0)] = 1;
  return { texts, ids: texts.map((text) => idOf.get(text)!), firsts };
}

/** The longest token at a place of the text: narrows the range of texts that agree with it, one unit after another. */
function longestAt({ texts, ids, firsts }: Table, text: string, start: number, isParsed: IsParsed) {
  if (firsts[text.charCodeAt(start)] === 0) return undefined;
  let found: { id: number; start: number; end: number } | undefined;
  let low = 0;
  let high = texts.length;
  for (let end = start; end < text.length && low < high; ) {
    const unit = text.charCodeAt(end);
    const depth = end - start;
    const isShared = texts[low]!.charCodeAt(depth) === texts[high - 1]!.charCodeAt(depth); // by all between
    if (!isShared) {
      low = firstFrom(texts, low, high, depth, unit);
      high = firstFrom(texts, low, high, depth, unit + 1);
    } else if (texts[low]!.charCodeAt(depth) !== unit) break;
    end++;
    if (low === high || texts[low]!.length !== depth + 1) continue;
    if (isParsed(ids[low]!, start, end)) found = { id: ids[low]!, start, end };
    low++;
  }
  return found;
}

/** The first of texts[low, high) whose unit at `depth` is at least `unit`; the texts are longer than `depth`. */
function firstFrom(texts: readonly string[], low: number, high: number, depth: number, unit: number): number {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (texts[middle]!.charCodeAt(depth) < unit) from = middle + 1;
    else to = middle;
  }
  return from;
}
