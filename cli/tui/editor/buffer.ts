/**
 * The text of the prompt editor as a pure reducer. Every edit replaces a range of lines and is recorded as a Change. So
 * an edit copies only its own lines and the array of lines, and undo only the changed lines.
 */
import { endOf, MOTIONS, type Motion, type Position, vertical } from './motions.ts';
import { atomOf, atomOffsets, cleaned, expanded, isFolded, pasteIndex } from './pastes.ts';
import { boundaryAt } from './segments.ts';

export interface EditorState {
  readonly lines: readonly string[]; // at least one, without newlines; a folded paste is one atom (pastes.ts)
  readonly row: number;
  readonly col: number; // UTF-16 offset at a grapheme boundary, so slices need no conversion
  readonly aim: number | undefined; // the column of cells that up and down try to keep
  readonly undo: readonly Change[]; // the latest last
  readonly redo: readonly Change[];
  readonly kills: readonly string[]; // the latest last
  readonly pastes: readonly string[]; // indexed by atom; never shortened, because undo may restore atoms
  readonly last: Last | undefined;
}

/** Lines from `row` on, before and after an edit, with the cursor before (`from`) and after (`to`). */
interface Change {
  readonly row: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly from: Position;
  readonly to: Position;
}

/** The last action, if the next one may extend it. */
type Last =
  | { readonly kind: 'typing' | 'deleting' | 'kill' }
  | { readonly kind: 'yank'; readonly from: Position; readonly kill: number };

export type EditorAction =
  /** Typed text; a run of it is undone in one step. */
  | { readonly type: 'insert'; readonly text: string }
  | { readonly type: 'newline' }
  /** Replaces the backslash before the cursor with a newline. */
  | { readonly type: 'continue' }
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'move'; readonly to: Motion }
  | { readonly type: 'row'; readonly step: -1 | 1; readonly columns: number }
  | { readonly type: 'delete'; readonly to: Motion }
  /** If the motion does not move, the adjacent newline is cut. */
  | { readonly type: 'kill'; readonly to: Motion }
  | { readonly type: 'yank' | 'yank-pop' | 'undo' | 'redo' }
  /** Unfolds the paste at the cursor, or else the nearest one before it; without any, folds the paste around the cursor. */
  | { readonly type: 'fold' }
  | { readonly type: 'replace'; readonly from: Position; readonly to: Position; readonly text: string }
  /** Replaces all text; the lines may contain atoms of this state. */
  | { readonly type: 'set'; readonly lines: readonly string[]; readonly at?: Position };

const UNDO_STEPS = 200;
const KILLS = 30;

export const EMPTY: EditorState = {
  lines: [''],
  row: 0,
  col: 0,
  aim: undefined,
  undo: [],
  redo: [],
  kills: [],
  pastes: [],
  last: undefined,
};

/** The state after `action`; the same object if nothing visible changed. */
export function edit(state: EditorState, action: EditorAction): EditorState {
  switch (action.type) {
    case 'insert':
      return replaced(state, state, state, linesOf(action.text), { kind: 'typing' });
    case 'newline':
      return replaced(state, state, state, ['', '']);
    case 'continue':
      return replaced(state, MOTIONS.left(state.lines, state), state, ['', '']);
    case 'paste':
      return pasted(state, cleaned(action.text));
    case 'move':
      return moved(state, MOTIONS[action.to](state.lines, state));
    case 'row':
      return movedByRow(state, action.step, action.columns);
    case 'delete':
      return deleted(state, MOTIONS[action.to](state.lines, state));
    case 'kill':
      return killed(state, action.to);
    case 'yank':
      return yanked(state, state, state.kills.length - 1);
    case 'yank-pop':
      return state.last?.kind === 'yank' ? yanked(state, state.last.from, state.last.kill - 1) : state;
    case 'undo':
      return undone(state);
    case 'redo':
      return redone(state);
    case 'fold':
      return folded(state);
    case 'replace':
      return replaced(state, action.from, action.to, linesOf(action.text));
    case 'set': {
      const whole = replaced(state, { row: 0, col: 0 }, endOf(state.lines), action.lines);
      return action.at ? withCursor(whole, action.at) : whole;
    }
  }
}

/** The text with pastes unfolded, as it is sent. */
export function textOf({ lines, pastes }: EditorState): string {
  return expanded(lines.join('\n'), pastes);
}

export function isEmpty({ lines }: EditorState): boolean {
  return lines.length === 1 && lines[0] === '';
}

/** An empty state that keeps the kills. Their pastes are unfolded, because paste numbers restart. */
export function cleared({ kills, pastes }: EditorState): EditorState {
  return { ...EMPTY, kills: kills.map((kill) => expanded(kill, pastes)) };
}

/** Text from outside as lines. */
export function linesOf(text: string): readonly string[] {
  return cleaned(text).split('\n');
}

/** Offset of a position in the lines joined by newlines, with pastes folded. */
export function offsetOf(lines: readonly string[], { row, col }: Position): number {
  let offset = col;
  for (let i = 0; i < row; i++) offset += lines[i]!.length + 1;
  return offset;
}

export function positionOf(lines: readonly string[], offset: number): Position {
  let row = 0;
  while (row < lines.length - 1 && offset > lines[row]!.length) offset -= lines[row++]!.length + 1;
  return { row, col: boundaryAt(lines[row]!, offset) };
}

/** Replaces the range `from` to `to` with `text` and puts the cursor after it. */
function replaced(
  state: EditorState,
  from: Position,
  to: Position,
  text: readonly string[],
  last?: Last,
): EditorState {
  if (text.length === 1 && text[0] === '' && samePosition(from, to)) return state;
  const head = state.lines[from.row]!.slice(0, from.col);
  const tail = state.lines[to.row]!.slice(to.col);
  const after = [...text];
  after[0] = head + after[0]!;
  const end = after.length - 1;
  const col = after[end]!.length;
  after[end] += tail;
  const before = state.lines.slice(from.row, to.row + 1);
  const cursor = { row: from.row + end, col: boundaryAt(after[end]!, col) };
  const change = { row: from.row, before, after, from: { row: state.row, col: state.col }, to: cursor };
  return {
    ...state,
    ...cursor,
    lines: spliced(state.lines, from.row, before.length, after),
    aim: undefined,
    undo: recorded(state, change, last),
    redo: [],
    last,
  };
}

/** A run of typing or deleting within a line is one undo step. */
function recorded({ undo, last }: EditorState, change: Change, next: Last | undefined): readonly Change[] {
  const previous = undo.at(-1);
  const isRun =
    (next?.kind === 'typing' || next?.kind === 'deleting') &&
    next.kind === last?.kind &&
    previous?.row === change.row &&
    previous.after.length === 1 &&
    change.before.length === 1;
  if (!isRun) return [...undo.slice(1 - UNDO_STEPS), change];
  return [...undo.slice(0, -1), { ...change, before: previous.before, from: previous.from }];
}

function undone(state: EditorState): EditorState {
  const change = state.undo.at(-1);
  if (!change) return state;
  const { row, before, after, from } = change;
  return {
    ...withCursor(state, from),
    lines: spliced(state.lines, row, after.length, before),
    undo: state.undo.slice(0, -1),
    redo: [...state.redo, change],
  };
}

function redone(state: EditorState): EditorState {
  const change = state.redo.at(-1);
  if (!change) return state;
  const { row, before, after, to } = change;
  return {
    ...withCursor(state, to),
    lines: spliced(state.lines, row, before.length, after),
    undo: [...state.undo, change],
    redo: state.redo.slice(0, -1),
  };
}

function pasted(state: EditorState, text: string): EditorState {
  if (!isFolded(text, state.pastes.length)) return replaced(state, state, state, text.split('\n'));
  const atom = atomOf(state.pastes.length);
  return replaced({ ...state, pastes: [...state.pastes, text] }, state, state, [atom]);
}

function moved(state: EditorState, to: Position): EditorState {
  return samePosition(state, to) ? state : withCursor(state, to);
}

function movedByRow(state: EditorState, step: -1 | 1, columns: number): EditorState {
  const found = vertical({ ...state, columns }, state, step, state.aim);
  return found ? { ...withCursor(state, found.at), aim: found.aim } : state;
}

function deleted(state: EditorState, to: Position): EditorState {
  const [from, end] = ordered(state, to);
  return replaced(state, from, end, [''], { kind: 'deleting' });
}

function killed(state: EditorState, motion: Motion): EditorState {
  let to = MOTIONS[motion](state.lines, state);
  if (samePosition(state, to)) to = MOTIONS[motion === 'line-start' ? 'left' : 'right'](state.lines, state);
  const [from, end] = ordered(state, to);
  const text = textBetween(state.lines, from, end);
  if (text === '') return state;
  const isRun = state.last?.kind === 'kill';
  const previous = isRun ? state.kills.at(-1)! : '';
  const kill = samePosition(from, state) ? previous + text : text + previous;
  const kills = [...(isRun ? state.kills.slice(0, -1) : state.kills.slice(1 - KILLS)), kill];
  return replaced({ ...state, kills }, from, end, [''], { kind: 'kill' });
}

/** Replaces the text between `from` and the cursor with a kill. An index below 0 wraps to the latest kill. */
function yanked(state: EditorState, from: Position, index: number): EditorState {
  const kill = index < 0 ? state.kills.length - 1 : index;
  const text = state.kills[kill];
  if (text === undefined) return state;
  const start = { row: from.row, col: from.col };
  return replaced(state, start, state, text.split('\n'), { kind: 'yank', from: start, kill });
}

function folded(state: EditorState): EditorState {
  const { lines, pastes } = state;
  const text = lines.join('\n');
  const cursor = offsetOf(lines, state);
  const atoms = atomOffsets(text);
  const nearest = atoms.includes(cursor) ? cursor : (atoms.findLast((at) => at < cursor) ?? atoms[0]);
  if (nearest !== undefined) {
    const from = positionOf(lines, nearest);
    const paste = pastes[pasteIndex(text[nearest]!)] ?? '';
    return replaced(state, from, { row: from.row, col: from.col + 1 }, paste.split('\n'));
  }
  for (const [index, paste] of pastes.entries()) {
    const start = text.lastIndexOf(paste, cursor);
    if (start < 0 || start + paste.length < cursor) continue;
    const [from, to] = [positionOf(lines, start), positionOf(lines, start + paste.length)];
    return replaced(state, from, to, [atomOf(index)]);
  }
  return state;
}

function withCursor(state: EditorState, { row, col }: Position): EditorState {
  return { ...state, row, col, aim: undefined, last: undefined };
}

/** `lines` with `count` lines from `row` on replaced. */
function spliced(
  lines: readonly string[],
  row: number,
  count: number,
  replacement: readonly string[],
): readonly string[] {
  return lines.slice(0, row).concat(replacement, lines.slice(row + count));
}

function textBetween(lines: readonly string[], from: Position, to: Position): string {
  if (from.row === to.row) return lines[from.row]!.slice(from.col, to.col);
  const inner = lines.slice(from.row + 1, to.row);
  return [lines[from.row]!.slice(from.col), ...inner, lines[to.row]!.slice(0, to.col)].join('\n');
}

function ordered(a: Position, b: Position): [Position, Position] {
  return a.row < b.row || (a.row === b.row && a.col <= b.col) ? [a, b] : [b, a];
}

function samePosition(a: Position, b: Position): boolean {
  return a.row === b.row && a.col === b.col;
}
