/** Lists to choose from: on a screen, and in plain lines. */
import { describe, expect, it } from 'vitest';
import type { Choice, ChoiceList } from '../../cli/chat/choices.ts';
import { LineScreen } from '../../cli/chat/line-screen.ts';
import { age } from '../../cli/sessions/message-words.ts';
import { columnsOf } from '../../cli/terminal/text/width.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { MARGIN } from '../../cli/tui/chat/entry-lines.ts';
import { keyBar } from '../../cli/tui/chat/key-bar.ts';
import { Picker } from '../../cli/tui/chat/picker.ts';
import { pageRows, pickerLines } from '../../cli/tui/chat/picker-lines.ts';
import { NO_KEY } from '../../cli/tui/editor/keys.ts';

const PLAIN = themeOf({ color: 0, background: 'dark', ascii: true });
const UNICODE = themeOf({ color: 3, background: 'dark', ascii: false });

const CHOICES: readonly Choice[] = Array.from({ length: 50 }, (_, i) => ({
  value: `id${i}`,
  before: `${i} min`,
  text: i === 7 ? '日本語 \x1b[31mwith\nlines' : `Question number ${i}`,
  after: ['a-model-with-a-name-that-is-long.gguf', `${i} messages`],
}));
const LIST: ChoiceList = { title: 'Stored', choices: CHOICES, taking: 'continue', leaving: 'leave' };

function open(list: ChoiceList = LIST, room = { columns: 80, rows: 10 }) {
  const ended: (string | undefined)[] = [];
  let closed = false;
  const picker = new Picker(list, {
    page: () => pageRows(room),
    onEnd: (choice) => void ended.push(choice?.value),
  });
  picker.onClose = () => {
    closed = true;
    picker.close();
  };
  const press = (...keys: readonly (keyof typeof NO_KEY)[]) => {
    for (const key of keys) picker.key('', { ...NO_KEY, [key]: true });
  };
  const type = (text: string) => {
    for (const letter of text) picker.key(letter, NO_KEY);
  };
  const under = () => picker.state.get().found[picker.state.get().at]?.value;
  const lines = (theme = PLAIN) => pickerLines(picker.state.get(), room, theme);
  return { picker, ended, press, type, under, lines, isClosed: () => closed };
}

describe('the picker', () => {
  it('walks without wrapping', () => {
    const { press, under } = open();
    press('upArrow');
    expect(under()).toBe('id0');
    press('downArrow', 'downArrow', 'upArrow');
    expect(under()).toBe('id1');
    press('pageDown');
    expect(under()).toBe('id9');
    press('end', 'downArrow', 'pageDown');
    expect(under()).toBe('id49');
    press('pageUp');
    expect(under()).toBe('id41');
    press('home');
    expect(under()).toBe('id0');
  });

  it('filters by any part of any cell, and keeps its choice while that is found', () => {
    const { press, type, under, picker } = open();
    press('downArrow', 'downArrow', 'downArrow');
    type('qUESTION NUMBER');
    expect(under()).toBe('id3');
    type(' 4');
    expect(picker.state.get().found).toHaveLength(11);
    expect(under()).toBe('id4');
    press('backspace', 'backspace', 'backspace');
    expect(picker.state.get().filter).toBe('qUESTION NUMBE');
    picker.key('u', { ...NO_KEY, ctrl: true });
    expect(picker.state.get().found).toHaveLength(50);
    type('49 messages');
    expect(under()).toBe('id49');
  });

  it('takes one choice with Enter, once', () => {
    const { press, type, ended, isClosed } = open();
    type('zebra');
    press('return');
    expect([ended, isClosed()]).toEqual([[], false]);
    press('backspace', 'backspace', 'backspace', 'backspace', 'backspace', 'downArrow', 'return');
    expect([ended, isClosed()]).toEqual([['id1'], true]);
  });

  it('leaves Escape to the screen, q to the filter, and ends without a choice when it is closed', () => {
    const { picker, ended, type } = open();
    expect(picker.key('', { ...NO_KEY, escape: true })).toBe(false);
    type('q');
    expect(picker.state.get().filter).toBe('q');
    picker.close();
    expect(ended).toEqual([undefined]);
  });

  it('takes a paste as part of the filter, on one line and not endless', () => {
    const { picker } = open();
    picker.paste(`Question\n\x1b[2Jnumber ${'x'.repeat(1e5)}`);
    const { filter } = picker.state.get();
    expect(filter).toMatch(/^Question ␛\[2Jnumber x+$/);
    expect(filter.length).toBeLessThanOrEqual(100);
  });
});

describe('its lines', () => {
  it.each([
    [80, 22],
    [40, 8],
    [20, 6],
    [9, 6],
  ])('fit %i x %i, with the keys last and the cursor in sight', (columns, rows) => {
    const room = { columns: columns - MARGIN, rows };
    const { picker, press } = open(LIST, room);
    for (const theme of [PLAIN, UNICODE]) {
      for (const key of ['end', 'home'] as const) {
        press(key);
        const lines = pickerLines(picker.state.get(), room, theme);
        expect(lines).toHaveLength(rows);
        expect(Math.max(...lines.map(columnsOf))).toBeLessThan(columns);
        expect(lines.at(-1)).toContain('Esc');
        expect(lines.filter((line) => line.includes(theme.glyphs.cursor))).toHaveLength(1);
      }
    }
  });

  it('are as many with a filter as without', () => {
    const { type, lines } = open();
    const all = lines().length;
    type('number 12');
    expect(lines()).toHaveLength(all);
    expect(lines()[0]).toBe('  filter: number 12_  1 of 50');
    expect(lines()[1]).toContain('> 12 min  Question number 12');
    type('zz');
    expect(lines()).toHaveLength(all);
    expect(lines()[1]).toContain('nothing contains this');
  });

  it('drop facts on a narrow screen, the last first, then the cell in front', () => {
    const { picker } = open();
    const second = (columns: number) =>
      pickerLines(picker.state.get(), { columns: columns - MARGIN, rows: 6 }, PLAIN)[1];
    expect(second(80)).toBe('>  0 min  Question number 0       a-model-with-a-na...  0 messages');
    expect(second(60)).toContain('a-model-with-a-na...');
    expect(second(60)).not.toContain('messages');
    expect(second(40)).toBe('>  0 min  Question number 0');
    expect(second(24)).toBe('> Question number 0');
  });

  it('make control characters visible', () => {
    const { type, lines } = open();
    type('日本');
    expect(lines()[1]).toContain('日本語 ␛[31mwith lines');
  });

  it('mark what is in use', () => {
    const choices = [
      { value: 'a', text: 'one', after: [] },
      { value: 'b', text: 'two', after: [], current: true },
    ];
    const { lines } = open({ ...LIST, choices, at: 1 });
    expect(lines().slice(1, 3)).toEqual(['    one', '> * two']);
  });
});

it('a key bar leaves out whole keys', () => {
  const keys = ['Esc leave', 'Enter take', 'Up Down move'];
  expect(keyBar(keys, 40, PLAIN)).toBe('Esc leave - Enter take - Up Down move');
  expect(keyBar(keys, 36, PLAIN)).toBe('Esc leave - Enter take');
  expect(keyBar(keys, 9, PLAIN)).toBe('Esc leave');
});

it('an age is short', () => {
  const now = Date.parse('2026-11-30T12:00:00Z');
  const ages = [
    '2026-11-30T11:59:30Z',
    '2026-11-30T11:55:00Z',
    '2026-11-30T01:00:00Z',
    '2026-11-18T12:00:00Z',
  ];
  expect(ages.map((iso) => age(iso, now))).toEqual(['now', '5 min', '11 h', '12 d']);
  expect(age('2025-01-02T12:00:00Z', now)).toBe('2025-01-02');
  expect(age('rubbish', now)).toBe('');
});

describe('plain lines', () => {
  function lineScreen() {
    const printed: string[] = [];
    return {
      printed,
      screen: new LineScreen({
        print: (lines) => void printed.push(...lines),
        prompt: () => {},
        exit: () => {},
      }),
    };
  }

  it('number a list, filter it by words, and take a number', async () => {
    const { printed, screen } = lineScreen();
    const chosen = screen.choose(LIST);
    expect(printed.slice(0, 2)).toEqual([
      'Stored:',
      '1. Question number 0, 0 min, a-model-with-a-name-that-is-long.gguf, 0 messages',
    ]);
    expect(printed.slice(-2)).toEqual(['and 30 more', 'Number: continue. Words: filter. Empty line: leave.']);
    screen.take('99');
    expect(printed).toContain('Expected a number from 1 to 20, got 99.');
    screen.take('zebra');
    expect(printed).toContain('Nothing contains "zebra".');
    screen.take('number 4');
    expect(printed.at(-2)).toContain('11. Question number 49');
    screen.take('2');
    expect((await chosen)?.value).toBe('id40');
    expect(screen.asks).toBe(false);
  });

  it('leave with an empty line', async () => {
    const { screen } = lineScreen();
    const chosen = screen.choose(LIST);
    screen.take(' ');
    expect(await chosen).toBeUndefined();
  });

  it('ask for the new text of a question', () => {
    const { printed, screen } = lineScreen();
    const sent: string[] = [];
    expect(screen.compose('old', (text) => void sent.push(text))).toBe(true);
    expect(printed[0]).toBe('The question was: old');
    screen.take('new');
    expect(sent).toEqual(['new']);
    expect(screen.compose('a draft')).toBe(false);
  });
});
