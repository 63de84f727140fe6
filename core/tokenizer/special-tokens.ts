import { TokenType, type Vocabulary } from './vocabulary.ts';

/** Special tokens of Phi-3 that do not swallow the white space after them (its tokenizer.json, rstrip: false). */
const KEEPS_SPACE = new Set(['<unk>', '<s>', '<|endoftext|>']);

interface Matcher {
  readonly pattern: RegExp; // global: any of the texts, the longest first
  readonly ids: ReadonlyMap<string, number>;
}

/** Finds the special tokens of a vocabulary in text. */
export class SpecialTokens {
  readonly #vocabulary: Vocabulary;
  readonly #matchers = new Map<'all' | 'user-defined', Matcher>();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /**
   * Splits text into plain texts and ids of special tokens; the longest token at a place wins. User-defined tokens are
   * always found, control and unknown tokens only with `all`.
   */
  split(text: string, which: 'all' | 'user-defined'): (string | number)[] {
    const { pattern, ids } = this.#matcher(which);
    const parts: (string | number)[] = [];
    let end = 0;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      if (match.index > end) parts.push(text.slice(end, match.index));
      parts.push(ids.get(match[0])!);
      if (this.#vocabulary.stripsAfterSpecial && !KEEPS_SPACE.has(match[0])) {
        while (/\p{White_Space}/u.test(text.charAt(pattern.lastIndex))) pattern.lastIndex++;
      }
      end = pattern.lastIndex;
    }
    if (end < text.length) parts.push(text.slice(end));
    return parts;
  }

  #matcher(which: 'all' | 'user-defined'): Matcher {
    let matcher = this.#matchers.get(which);
    if (matcher === undefined) {
      const { specialTexts, types } = this.#vocabulary;
      const isWanted = (id: number) => which === 'all' || types[id] === TokenType.USER_DEFINED;
      matcher = matcherOf([...specialTexts].filter(([id, text]) => text !== '' && isWanted(id)));
      this.#matchers.set(which, matcher);
    }
    return matcher;
  }
}

function matcherOf(texts: readonly (readonly [number, string])[]): Matcher {
  const longestFirst = texts.map(([, text]) => text).sort((a, b) => b.length - a.length);
  const anyOfThem = longestFirst.map(RegExp.escape).join('|') || '(?!)'; // matches nothing
  return { pattern: new RegExp(anyOfThem, 'g'), ids: new Map(texts.map(([id, text]) => [text, id])) };
}
