import type { Key } from 'ink';
import { describe, expect, it } from 'vitest';
import { BINDINGS, commandOf, isPaste, keystrokes, strokeOf } from '../../cli/tui/editor/keys.ts';
import { key } from './editor-keyboard.ts';

/** Input as `useInput` delivers it, and its chord. */
const DELIVERED: readonly [input: string, flags: Partial<Key>, chord: string][] = [
  ['\r', { return: true }, 'enter'],
  ['\r', { return: true, meta: true }, 'alt+enter'],
  ['\r', { return: true, shift: true }, 'shift+enter'],
  ['\n', {}, 'ctrl+j'],
  ['j', { ctrl: true }, 'ctrl+j'],
  ['', { backspace: true }, 'backspace'],
  ['', { backspace: true, meta: true }, 'alt+backspace'],
  ['', { leftArrow: true, ctrl: true }, 'ctrl+left'],
  ['b', { meta: true }, 'alt+b'],
  ['B', { meta: true, shift: true }, 'alt+b'],
  ['_', { ctrl: true }, 'ctrl+_'], // 0x1f
  ['-', { ctrl: true, shift: true }, 'ctrl+_'], // the kitty protocol
  ['_', { meta: true }, 'alt+_'],
  ['-', { meta: true, shift: true }, 'alt+_'],
  [' ', { ctrl: true }, 'ctrl+ '],
  ['', { tab: true, shift: true }, 'shift+tab'],
  ['', {}, ''], // F1
  ['v', { super: true }, 'super+v'],
];

describe('keys', () => {
  it.each(DELIVERED)('%j with %j is %s', (input, flags, chord) => {
    expect(strokeOf(input, key(flags))).toEqual({ chord });
  });

  it.each(['a', 'A', '你好', '👨‍👩‍👧‍👦', 'abc', ' ', '_'])('%j is text', (input) => {
    expect(strokeOf(input, key())).toEqual({ text: input });
  });

  it.each(['', 'ctrl+ ', 'super+v', 'alt+x', 'ctrl+t', 'ctrl+l', 'ctrl+c', 'ctrl+z', 'escape', 'page-up'])(
    '%j is bound to nothing',
    (chord) => {
      expect(commandOf(chord)).toBeUndefined();
    },
  );

  it('have one binding each, and an explanation', () => {
    const chords = BINDINGS.flatMap((binding) => binding.chords);
    expect(new Set(chords).size).toBe(chords.length);
    for (const { summary } of BINDINGS) expect(summary).not.toBe('');
  });
});

describe('several keys in one read', () => {
  const chordsOf = (input: string) =>
    keystrokes(input, key()).map((stroke) => {
      const found = strokeOf(...stroke);
      return 'text' in found ? `"${found.text}"` : found.chord;
    });

  it.each([
    ['hello\r', ['"hello"', 'enter']],
    ['a\r\r', ['"a"', 'enter', 'enter']],
    ['你好\n', ['"你好"', 'ctrl+j']],
    ['ab\x01\x0b', ['"ab"', 'ctrl+a', 'ctrl+k']],
    ['/he\t', ['"/he"', 'tab']],
    ['a\x7f\b\x1f\0', ['"a"', 'backspace', 'backspace', 'ctrl+_', 'ctrl+ ']],
    ['plain', ['"plain"']],
  ])('%j', (input, chords) => {
    expect(chordsOf(input)).toEqual(chords);
  });

  it.each([
    ['hello\r', false],
    ['\r', false],
    ['hello\r\r\n', false],
    ['two\nlines', false], // Ctrl-J starts a line
    ['/he\t', false],
    ['!ls\rmore', true],
    ['!ls\r!rm\r', true],
    ['\rmore', false], // Enter, and the next key at once
    ['\r!ls\r', true],
    ['\r\r!ls\r', true],
    ['draft\x07more', true], // Ctrl-G starts an editor
    ['draft\x07', false],
  ])('%j is a paste: %s', (input, is) => {
    expect(isPaste(input)).toBe(is);
  });

  it('are unchanged if there is only one', () => {
    const enter = key({ return: true });
    expect(keystrokes('\r', enter)).toEqual([['\r', enter]]);
    const arrow = key({ upArrow: true });
    expect(keystrokes('', arrow)).toEqual([['', arrow]]);
  });

  it('are ignored when a key is released', () => {
    expect(keystrokes('a', key({ eventType: 'release' }))).toEqual([]);
  });
});
