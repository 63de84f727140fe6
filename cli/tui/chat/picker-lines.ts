/** The picker as lines: a title or the filter, the entries around the cursor, which stands in the margin, the keys. Pure. */
import type { Choice } from '../../chat/choices.ts';
import { columnsOf, padded } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import { besideMargin, MARGIN } from './entry-lines.ts';
import type { Room } from './inspector-lines.ts';
import { arrowKeys, keyBar } from './key-bar.ts';
import type { PickerState } from './picker.ts';

/** Lines that are not entries: the title and the keys. */
const FRAME = 2;
/** Columns between two cells. */
const GAP = 2;
/** Most columns of a fact: the name of a model file may be long. */
const MOST_FACT = 20;
/** Columns that the text keeps while other cells are there. */
const LEAST_TEXT = 16;

/** Number of entries on a page. */
export function pageRows({ rows }: Pick<Room, 'rows'>): number {
  return Math.max(1, rows - FRAME);
}

/** As high with a filter as without, so that nothing on the screen moves. */
export function pickerLines(state: PickerState, room: Room, theme: Theme): string[] {
  const { list, found, at } = state;
  const width = room.columns - 1 + MARGIN;
  const height = Math.min(list.choices.length, pageRows(room));
  const start = Math.max(0, Math.min(at - Math.floor(height / 2), found.length - height));
  const layout = layoutOf(list.choices, width);
  const entries = found
    .slice(start, start + height)
    .map((choice, i) => entryLine(choice, start + i === at, layout, theme));
  if (entries.length === 0) entries.push(theme.dim('  nothing contains this'));
  const empty = Array.from({ length: height - entries.length }, () => '');
  const keys = [`Esc ${list.leaving}`, `Enter ${list.taking}`, ...walkingKeys(state, height, theme)];
  const [title, bar] = besideMargin([titleLine(state, theme), keyBar(keys, width - MARGIN, theme)]);
  return [title!, ...entries, ...empty, bar!].map((line) => truncate(line, width, theme.glyphs.ellipsis));
}

function titleLine({ list, filter, found, at }: PickerState, theme: Theme): string {
  if (filter === '') return `${theme.strong(list.title)}  ${theme.dim(`${at + 1} of ${found.length}`)}`;
  const caret = theme.look.color === 0 ? '_' : theme.selected(' ');
  const count = theme.dim(`${found.length} of ${list.choices.length}`);
  return `${theme.dim('filter:')} ${theme.strong(filter)}${caret}  ${count}`;
}

function walkingKeys({ list, filter }: PickerState, height: number, theme: Theme): string[] {
  const [, along] = arrowKeys(theme);
  return [
    filter === '' ? 'type to filter' : 'Backspace widens',
    `${along} move`,
    ...(list.choices.length > height ? ['PgUp PgDn'] : []),
  ];
}

/** Widths of the cells of all entries, in columns. 0: the cell is left out. */
interface Layout {
  readonly mark: boolean;
  readonly before: number;
  readonly text: number;
  readonly after: readonly number[];
}

/** The facts after the text are dropped first, from the last on; then the cell in front of it. */
function layoutOf(choices: readonly Choice[], width: number): Layout {
  const widest = (cells: readonly string[]) =>
    cells.reduce((most, cell) => Math.max(most, columnsOf(cell)), 0);
  const mark = choices.some(({ current }) => current);
  const cells = Math.max(...choices.map(({ after }) => after.length));
  const before = widest(choices.map((choice) => choice.before ?? ''));
  const after = Array.from({ length: cells }, (_, i) =>
    Math.min(MOST_FACT, widest(choices.map((choice) => choice.after[i] ?? ''))),
  );
  const text = widest(choices.map((choice) => choice.text));
  const wanted = Math.min(text, LEAST_TEXT);
  const outer = 2 + (mark ? 2 : 0); // the cursor and the mark
  const room = (front: number, behind: readonly number[]) =>
    width - outer - [front, ...behind].reduce((sum, cell) => sum + (cell > 0 ? cell + GAP : 0), 0);
  let kept = after;
  while (kept.length > 0 && room(before, kept) < wanted) kept = kept.slice(0, -1);
  const front = room(before, kept) < wanted ? 0 : before;
  return { mark, before: front, after: kept, text: Math.min(text, room(front, kept)) };
}

function entryLine(choice: Choice, chosen: boolean, layout: Layout, theme: Theme): string {
  const { glyphs } = theme;
  const cursor = chosen ? `${theme.accent(glyphs.cursor)} ` : '  ';
  const mark = layout.mark ? `${choice.current ? theme.accent(glyphs.on) : ' '} ` : '';
  const before =
    layout.before > 0 ? theme.dim((choice.before ?? '').padStart(layout.before)) + ' '.repeat(GAP) : '';
  const cut = truncate(choice.text, layout.text, glyphs.ellipsis);
  const after = layout.after
    .map((cell, i) => padded(truncate(choice.after[i] ?? '', cell, glyphs.ellipsis), cell))
    .join(' '.repeat(GAP));
  const text = chosen ? theme.accent(cut) : cut;
  if (after.trim() === '') return `${cursor}${mark}${before}${text}`;
  return `${cursor}${mark}${before}${padded(text, layout.text)}${' '.repeat(GAP)}${theme.dim(after.trimEnd())}`;
}
