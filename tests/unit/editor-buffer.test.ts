import { describe, expect, it } from 'vitest';
import {
  type EditorAction,
  type EditorState,
  EMPTY,
  edit,
  isEmpty,
  linesOf,
  offsetOf,
  positionOf,
  textOf,
} from '../../cli/tui/editor/buffer.ts';
import type { Motion } from '../../cli/tui/editor/motions.ts';
import { boundaryAt } from '../../cli/tui/editor/segments.ts';

const FAMILY = '👨‍👩‍👧‍👦';
const ACCENTED = 'e\u0301'; // two code points, one grapheme
const LONG = Array.from({ length: 42 }, (_, i) => `line ${i + 1}`).join('\n');

function edited(state: EditorState, ...actions: EditorAction[]): EditorState {
  return actions.reduce(edit, state);
}

/** A state with the cursor where the text has a bar. */
function at(marked: string): EditorState {
  const offset = marked.indexOf('|');
  const lines = linesOf(marked.replace('|', ''));
  return { ...EMPTY, lines, ...positionOf(lines, offset) };
}

/** The text with a bar at the cursor. */
function shown(state: EditorState): string {
  const text = state.lines.join('\n');
  const offset = offsetOf(state.lines, state);
  return `${text.slice(0, offset)}|${text.slice(offset)}`;
}

const move = (to: Motion): EditorAction => ({ type: 'move', to });
const remove = (to: Motion): EditorAction => ({ type: 'delete', to });
const kill = (to: Motion): EditorAction => ({ type: 'kill', to });
const type = (text: string): EditorAction => ({ type: 'insert', text });
const undo: EditorAction = { type: 'undo' };
const redo: EditorAction = { type: 'redo' };

describe('edits', () => {
  it.each<[string, EditorAction, string]>([
    ['a|b', type('你好'), 'a你好|b'],
    ['a|b', { type: 'newline' }, 'a\n|b'],
    ['a\\|', { type: 'continue' }, 'a\n|'],
    [`a${FAMILY}|b`, remove('left'), 'a|b'],
    [`a|${FAMILY}b`, remove('right'), 'a|b'],
    [`caf${ACCENTED}|`, remove('left'), 'caf|'],
    ['a\n|b', remove('left'), 'a|b'],
    ['a|\nb', remove('right'), 'a|b'],
    ['|a', remove('left'), '|a'],
    ['a|', remove('right'), 'a|'],
    ['ab\ncd|', { type: 'replace', from: { row: 0, col: 1 }, to: { row: 1, col: 1 }, text: 'X' }, 'aX|d'],
  ])('%j by %j is %j', (before, action, result) => {
    expect(shown(edit(at(before), action))).toBe(result);
  });

  it('leave the cursor on the boundary of a grapheme when an edit joins two', () => {
    const joined = edit(at('|\u0301x'), type('e'));
    expect(joined.col).toBe(2);
    expect(shown(edit(joined, remove('left')))).toBe('|x');
    const family = edit(at('👨\u200d|👧'), type('👩\u200d'));
    expect(family.col).toBe(family.lines[0]!.length);
  });

  it('return the same object if nothing changes', () => {
    for (const action of [undo, redo, remove('left'), kill('line-end'), move('left'), type('')]) {
      expect(edit(EMPTY, action)).toBe(EMPTY);
    }
  });

  it('copy one line and the array, however long the text is', () => {
    const state = { ...EMPTY, lines: Array<string>(10_000).fill('x'), row: 5000 };
    const [change] = edit(state, type('y')).undo;
    expect(change).toMatchObject({ before: ['x'], after: ['yx'] });
  });
});

describe('motions', () => {
  it.each<[string, Motion, string]>([
    [`a${FAMILY}|b`, 'left', `a|${FAMILY}b`],
    [`|${ACCENTED}b`, 'right', `${ACCENTED}|b`],
    ['a\n|b', 'left', 'a|\nb'],
    ['a|\nb', 'right', 'a\n|b'],
    ['one two|', 'word-left', 'one |two'],
    ['one |two', 'word-left', '|one two'],
    ["|don't stop", 'word-right', "don't| stop"],
    ['one| -- two', 'word-right', 'one -- two|'],
    ['|你好世界', 'word-right', '你好|世界'],
    ['a\n|b', 'word-left', 'a|\nb'],
    ['a|\n  b', 'word-right', 'a\n|  b'],
    ['a\nb|c', 'line-start', 'a\n|bc'],
    ['a\nb|c', 'line-end', 'a\nbc|'],
    ['a\nb|c', 'text-start', '|a\nbc'],
    ['a|\nbc', 'text-end', 'a\nbc|'],
  ])('%j %s: %j', (before, to, result) => {
    expect(shown(edit(at(before), move(to)))).toBe(result);
  });

  const up: EditorAction = { type: 'row', step: -1, columns: 13 }; // ten cells of text
  const down: EditorAction = { type: 'row', step: 1, columns: 13 };

  it('go by rows of the wrapped text', () => {
    const wrapped = at('aaaa bbbb cc|cc dddd'); // rows: aaaa bbbb, cccc dddd
    expect(shown(edit(wrapped, up))).toBe('aa|aa bbbb cccc dddd');
    expect(edit(edit(wrapped, up), up)).toEqual(edit(wrapped, up));
    expect(shown(edited(wrapped, up, down))).toBe('aaaa bbbb cc|cc dddd');
    expect(edit(wrapped, down)).toBe(wrapped);
  });

  it('keep the column over shorter rows until another action', () => {
    const state = at('abcdef\nab\nabcde|f');
    expect(shown(edited(state, up))).toBe('abcdef\nab|\nabcdef');
    expect(shown(edited(state, up, up))).toBe('abcde|f\nab\nabcdef');
    expect(shown(edited(state, up, move('left'), up))).toBe('a|bcdef\nab\nabcdef');
  });

  it('stop before a wide character if they hit its middle', () => {
    expect(shown(edit(at('你好世\nabc|'), up))).toBe('你|好世\nabc');
  });

  it('stop before the last character of a full row if the target is after it', () => {
    // The offset after it is shown at the start of the next row.
    const aimed = { ...at('aaaaaaaaaabb\n|'), aim: 10 };
    expect(shown(edited(aimed, up, up))).toBe('aaaaaaaaa|abb\n');
    expect(shown(edited(aimed, up))).toBe('aaaaaaaaaabb|\n');
  });
});

describe('kills', () => {
  it.each<[string, Motion, string, string]>([
    ['one two|', 'word-left', 'one |', 'two'],
    ['|one two', 'word-right', '| two', 'one'],
    ['one t|wo', 'line-start', '|wo', 'one t'],
    ['one t|wo', 'line-end', 'one t|', 'wo'],
    ['a|\nb', 'line-end', 'a|b', '\n'],
    ['a\n|b', 'line-start', 'a|b', '\n'],
  ])('%j to %s', (before, to, result, cut) => {
    const state = edit(at(before), kill(to));
    expect(shown(state)).toBe(result);
    expect(state.kills).toEqual([cut]);
  });

  it('in sequence make one, in the order of the text', () => {
    expect(edited(at('a b c|'), kill('word-left'), kill('word-left')).kills).toEqual(['b c']);
    expect(edited(at('|a b c'), kill('word-right'), kill('word-right')).kills).toEqual(['a b']);
    expect(edited(at('a |b'), kill('word-left'), kill('word-right')).kills).toEqual(['a b']);
    const apart = edited(at('a b c|'), kill('word-left'), move('left'), kill('word-left'));
    expect(apart.kills).toEqual(['c', 'b']);
  });

  it('are yanked, and replaced by older ones', () => {
    const state = edited(at('one two|'), kill('word-left'), move('left'), kill('line-start'), {
      type: 'yank',
    });
    expect(shown(state)).toBe('one| ');
    const popped = edit(state, { type: 'yank-pop' });
    expect(shown(popped)).toBe('two| ');
    expect(shown(edit(popped, { type: 'yank-pop' }))).toBe('one| ');
    expect(edit(edit(popped, move('left')), { type: 'yank-pop' }).lines).toEqual(['two ']);
    expect(edited(popped, undo, undo).lines).toEqual([' ']);
  });
});

describe('undo', () => {
  it('undoes a run of typing in one step', () => {
    const state = edited(EMPTY, type('a'), type('b'), type('c'), { type: 'newline' }, type('d'));
    expect(shown(edit(state, undo))).toBe('abc\n|');
    expect(shown(edited(state, undo, undo))).toBe('abc|');
    expect(shown(edited(state, undo, undo, undo))).toBe('|');
    expect(shown(edited(state, undo, undo, undo, redo))).toBe('abc|');
  });

  it('separates runs at a motion', () => {
    const state = edited(EMPTY, type('a'), type('b'), move('left'), type('c'), type('d'));
    expect(shown(state)).toBe('acd|b');
    expect(shown(edit(state, undo))).toBe('a|b');
    expect(shown(edited(state, undo, redo))).toBe('acd|b');
  });

  it('undoes a run of deletions in one step, also over a newline', () => {
    const state = edited(at('ab\ncd|'), ...Array<EditorAction>(4).fill(remove('left')));
    expect(shown(state)).toBe('a|');
    expect(shown(edited(state, undo, undo))).toBe('ab\ncd|');
  });

  it('restores a replaced text', () => {
    const state = edit(at('one\nt|wo'), { type: 'set', lines: ['three'] });
    expect(shown(state)).toBe('three|');
    expect(shown(edit(state, undo))).toBe('one\nt|wo');
  });

  it('drops the redo history at a new edit', () => {
    const state = edited(EMPTY, type('a'), undo, type('b'));
    expect(edit(state, redo)).toBe(state);
  });
});

describe('pastes', () => {
  const folded = edit(at('see | end'), { type: 'paste', text: LONG });

  it('are text if they are short', () => {
    expect(shown(edit(at('a|b'), { type: 'paste', text: '1\n2\n3\n4\n5' }))).toBe('a1\n2\n3\n4\n5|b');
    expect(edit(EMPTY, { type: 'paste', text: 'x'.repeat(500) }).pastes).toEqual([]);
  });

  it('are one character if they are long', () => {
    expect(folded.lines).toHaveLength(1);
    expect(folded.lines[0]).toHaveLength('see  end'.length + 1);
    expect(textOf(folded)).toBe(`see ${LONG} end`);
    expect(edit(folded, move('left')).col).toBe(4);
    expect(textOf(edit(folded, remove('left')))).toBe('see  end');
    expect(textOf(edited(folded, kill('word-left'), { type: 'yank' }, { type: 'yank' }))).toBe(
      `see ${LONG}${LONG} end`,
    );
    expect(edit(EMPTY, { type: 'paste', text: 'x'.repeat(501) }).pastes).toHaveLength(1);
  });

  it('are restored by undo', () => {
    expect(textOf(edited(folded, remove('left'), undo))).toBe(`see ${LONG} end`);
  });

  it('are unfolded and folded again', () => {
    const unfolded = edit(folded, { type: 'fold' });
    expect(unfolded.lines).toHaveLength(42);
    expect(textOf(unfolded)).toBe(textOf(folded));
    expect(edit(unfolded, { type: 'fold' }).lines).toEqual(folded.lines);
    expect(edit(edited(unfolded, move('left'), type('!')), { type: 'fold' }).lines).toHaveLength(42);
    expect(edit(unfolded, undo).lines).toEqual(folded.lines);
  });

  it('at the cursor are unfolded first', () => {
    const two = edit(folded, { type: 'paste', text: 'y'.repeat(600) });
    expect(edit(two, { type: 'fold' }).lines).toEqual([expect.stringContaining('y'.repeat(600))]);
    expect(edited(two, move('left'), move('left'), { type: 'fold' }).lines).toHaveLength(42);
  });

  it('contain no carriage returns, terminal sequences or control characters', () => {
    const state = edit(EMPTY, { type: 'paste', text: 'a\r\nb\rc\x1b[31md\x07\te\x7f\ud800' });
    expect(textOf(state)).toBe('a\nb\ncd\te\ufffd');
  });

  it('cannot be forged', () => {
    expect(textOf(edit(folded, type('\udc00')))).toBe(`see ${LONG}\ufffd end`);
  });
});

describe('any sequence of actions', () => {
  const MOTIONS: Motion[] = [
    'left',
    'right',
    'word-left',
    'word-right',
    'line-start',
    'line-end',
    'text-start',
  ];
  const TEXTS = ['a', 'foo bar', '你好', FAMILY, '\u0301', '\u200d', '🇫🇷', ' ', '\t', 'x\ny', '-', '\u202e'];

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('keeps the state whole and can be undone (seed %i)', (seed) => {
    const random = randomOf(seed);
    const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
    const start = at('héllo |\n你好 wörld\n');
    let state = start;
    for (let i = 0; i < 180; i++) {
      state = edit(state, randomAction(pick));
      expectWhole(state);
    }
    const end = state;
    let steps = 0;
    while (state.undo.length > 0) {
      state = edit(state, undo);
      steps++;
      expectWhole(state);
    }
    expect(textOf(state)).toBe(textOf(start));
    for (; steps > 0; steps--) state = edit(state, redo);
    expect(textOf(state)).toBe(textOf(end));
  });

  function randomAction(pick: <Item>(items: readonly Item[]) => Item): EditorAction {
    return pick<() => EditorAction>([
      () => type(pick(TEXTS)),
      () => type(pick(TEXTS)),
      () => ({ type: 'newline' }),
      () => ({ type: 'paste', text: pick([LONG, 'short', 'z'.repeat(501)]) }),
      () => move(pick(MOTIONS)),
      () => ({ type: 'row', step: pick([-1, 1]), columns: pick([6, 13, 80]) }),
      () => remove(pick(MOTIONS)),
      () => kill(pick(MOTIONS)),
      () => ({ type: pick(['yank', 'yank-pop', 'undo', 'redo', 'fold']) }),
      () => ({ type: 'set', lines: pick([['one'], ['two', '']]) }),
    ])();
  }

  function expectWhole({ lines, row, col, undo, kills }: EditorState): void {
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.some((line) => line.includes('\n'))).toBe(false);
    expect(row).toBeGreaterThanOrEqual(0);
    expect(row).toBeLessThan(lines.length);
    expect(boundaryAt(lines[row]!, col)).toBe(col);
    expect(undo.length).toBeLessThanOrEqual(200);
    expect(kills.length).toBeLessThanOrEqual(30);
  }
});

it('an editor is empty only without text', () => {
  expect(isEmpty(EMPTY)).toBe(true);
  expect(isEmpty(at(' |'))).toBe(false);
  expect(isEmpty(at('\n|'))).toBe(false);
});

/** mulberry32. */
function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
