/** A list to choose one entry from. A screen shows it as a list to walk and filter, plain lines as a numbered list. */
import { terminalLine } from '../terminal/terminal-text.ts';

export interface Choice {
  readonly value: string;
  /** A short cell in front of the text: an age, a number. */
  readonly before?: string;
  readonly text: string;
  /** Facts after the text, the most telling first: a narrow screen drops the last ones. */
  readonly after: readonly string[];
  /** Is found by, too, although it is not shown. */
  readonly keywords?: string;
  /** It is the one in use, and gets a mark. */
  readonly current?: boolean;
}

export interface ChoiceList {
  readonly title: string;
  readonly choices: readonly Choice[]; // at least one
  /** Index of the choice that is under the cursor at first. Default: the first. */
  readonly at?: number;
  /** What Enter does, and what Esc does, in a word or two: "continue", "leave". */
  readonly taking: string;
  readonly leaving: string;
}

/** Of a text, in characters. */
const MOST_TEXT = 400;

/** Texts from outside as one line each, without control characters. */
export function onOneLine(text: string): string {
  return terminalLine(text.slice(0, MOST_TEXT).trim());
}

/** The choices that contain `filter`, upper case or lower case. */
export function matching(choices: readonly Choice[], filter: string): readonly Choice[] {
  if (filter === '') return choices;
  const wanted = filter.toLowerCase();
  return choices.filter(({ before = '', text, after, keywords = '' }) =>
    [before, text, ...after, keywords].some((cell) => cell.toLowerCase().includes(wanted)),
  );
}
