/** Completion of the word at the cursor: items, ranking, and the layout of the menu. */
import { terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf, padded } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';

/** Replacements for the range `start` to `end` of the text, best first. */
export interface Completion {
  readonly start: number; // UTF-16 offsets
  readonly end: number;
  readonly items: readonly CompletionItem[];
}

export interface CompletionItem {
  readonly value: string; // replaces the range
  readonly label: string;
  readonly detail?: string;
  /** More text follows, as after a folder, so no space is added. */
  readonly partial?: boolean;
}

/** @param text the whole text; a folded paste is one character in it */
export type CompletionSource = (
  text: string,
  cursor: number,
) => Completion | undefined | Promise<Completion | undefined>;

export interface Menu extends Completion {
  readonly chosen: number;
  readonly rows: number; // reserved while the menu is open, so that it does not shrink during typing
}

/** Items whose name matches `query`: equal names first, then prefixes, then names with its letters in order. */
export function ranked<Item>(items: readonly Item[], query: string, nameOf: (item: Item) => string): Item[] {
  const wanted = query.toLowerCase();
  const classes: Item[][] = [[], [], []];
  for (const item of items) {
    const name = nameOf(item).toLowerCase();
    if (name === wanted) classes[0]!.push(item);
    else if (name.startsWith(wanted)) classes[1]!.push(item);
    else if (isSubsequence(wanted, name)) classes[2]!.push(item);
  }
  return classes.flat();
}

function isSubsequence(letters: string, text: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

export function menuOf(completion: Completion, before?: Menu): Menu {
  const rows = Math.min(MENU_ROWS, completion.items.length);
  return { ...completion, chosen: 0, rows: Math.max(rows, before?.rows ?? 0) };
}

/** Moves the choice by `step`, wrapping at the ends. */
export function chosenBy(menu: Menu, step: -1 | 1): Menu {
  const count = menu.items.length;
  return { ...menu, chosen: (menu.chosen + step + count) % count };
}

const MENU_ROWS = 8;

/** `menu.rows` lines. If not all items fit, the last line counts them. */
export function layoutMenu(
  menu: Menu,
  { columns, theme }: { columns: number; theme: Theme },
): readonly string[] {
  const { items, chosen, rows } = menu;
  const { ellipsis, cursor } = theme.glyphs;
  const shownCount = items.length > MENU_ROWS ? MENU_ROWS - 1 : items.length;
  const first = Math.max(0, Math.min(chosen - Math.floor(shownCount / 2), items.length - shownCount));
  const shown = items.slice(first, first + shownCount).map(({ label, detail = '' }) => ({
    label: terminalText(label),
    detail: terminalText(detail),
  }));
  const room = columns - 1 - INDENT;
  const labelWidth = Math.min(Math.max(...shown.map(({ label }) => columnsOf(label))), room);
  const lines = shown.map(({ label, detail }, i) => {
    const isChosen = first + i === chosen;
    const name = padded(truncate(label, labelWidth, ellipsis), labelWidth);
    const rest = room - labelWidth - GAP;
    const note = detail && rest > 0 ? ' '.repeat(GAP) + theme.dim(truncate(detail, rest, ellipsis)) : '';
    return `${isChosen ? theme.accent(cursor) : ' '} ${isChosen ? theme.selected(name) : name}${note}`;
  });
  if (shownCount < items.length) {
    lines.push(theme.dim(truncate(`  ${chosen + 1} of ${items.length}`, columns - 1, ellipsis)));
  }
  return [...lines, ...Array<string>(Math.max(0, rows - lines.length)).fill(' ')];
}

const INDENT = 2; // the mark of the chosen item and a space
const GAP = 2;
