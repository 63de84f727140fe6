/** Key bindings as data: from Ink's report of a key to the name of a chord to an editor command. */
import type { Key } from 'ink';
import type { EditorAction } from './buffer.ts';

export type EditorCommand =
  | Exclude<EditorAction, { type: 'insert' | 'continue' | 'paste' | 'row' | 'replace' | 'set' }>
  | { readonly type: 'up' | 'down' } // by rows, then through the history
  | { readonly type: 'older' | 'newer' } // in the history
  | { readonly type: 'submit' | 'search' | 'complete' | 'edit-externally' }
  | { readonly type: 'delete-or-leave' }; // without text, the key is left to the chat

interface Binding {
  readonly chords: readonly string[]; // modifiers in this order: ctrl, alt, shift
  readonly command: EditorCommand;
  readonly summary: string;
}

export const BINDINGS: readonly Binding[] = [
  { chords: ['enter'], command: { type: 'submit' }, summary: 'Send; after a backslash: new line' },
  {
    chords: ['ctrl+j', 'alt+enter', 'shift+enter', 'ctrl+enter'],
    command: { type: 'newline' },
    summary: 'New line',
  },
  { chords: ['tab'], command: { type: 'complete' }, summary: 'Complete a command, or a path after @' },
  { chords: ['left', 'ctrl+b'], command: { type: 'move', to: 'left' }, summary: 'Left' },
  { chords: ['right', 'ctrl+f'], command: { type: 'move', to: 'right' }, summary: 'Right' },
  { chords: ['up'], command: { type: 'up' }, summary: 'Up; in the first row: older prompt' },
  { chords: ['down'], command: { type: 'down' }, summary: 'Down; in the last row: newer prompt' },
  {
    chords: ['alt+b', 'ctrl+left', 'alt+left'],
    command: { type: 'move', to: 'word-left' },
    summary: 'Word left',
  },
  {
    chords: ['alt+f', 'ctrl+right', 'alt+right'],
    command: { type: 'move', to: 'word-right' },
    summary: 'Word right',
  },
  { chords: ['ctrl+a', 'home'], command: { type: 'move', to: 'line-start' }, summary: 'Start of the line' },
  { chords: ['ctrl+e', 'end'], command: { type: 'move', to: 'line-end' }, summary: 'End of the line' },
  {
    chords: ['alt+<', 'ctrl+home'],
    command: { type: 'move', to: 'text-start' },
    summary: 'Start of the text',
  },
  { chords: ['alt+>', 'ctrl+end'], command: { type: 'move', to: 'text-end' }, summary: 'End of the text' },
  {
    chords: ['backspace', 'ctrl+h', 'shift+backspace'],
    command: { type: 'delete', to: 'left' },
    summary: 'Delete before the cursor',
  },
  { chords: ['delete'], command: { type: 'delete', to: 'right' }, summary: 'Delete at the cursor' },
  {
    chords: ['ctrl+d'],
    command: { type: 'delete-or-leave' },
    summary: 'Delete at the cursor; without text: exit',
  },
  {
    chords: ['ctrl+w', 'alt+backspace', 'ctrl+backspace'],
    command: { type: 'kill', to: 'word-left' },
    summary: 'Cut the word before',
  },
  {
    chords: ['alt+d', 'alt+delete', 'ctrl+delete'],
    command: { type: 'kill', to: 'word-right' },
    summary: 'Cut the word after',
  },
  {
    chords: ['ctrl+u'],
    command: { type: 'kill', to: 'line-start' },
    summary: 'Cut to the start of the line',
  },
  { chords: ['ctrl+k'], command: { type: 'kill', to: 'line-end' }, summary: 'Cut to the end of the line' },
  { chords: ['ctrl+y'], command: { type: 'yank' }, summary: 'Paste the last cut' },
  { chords: ['alt+y'], command: { type: 'yank-pop' }, summary: 'Then: replace it with the cut before' },
  { chords: ['ctrl+_', 'ctrl+/'], command: { type: 'undo' }, summary: 'Undo' },
  { chords: ['alt+_', 'alt+/'], command: { type: 'redo' }, summary: 'Redo' },
  { chords: ['ctrl+p'], command: { type: 'older' }, summary: 'Older prompt' },
  { chords: ['ctrl+n'], command: { type: 'newer' }, summary: 'Newer prompt' },
  { chords: ['ctrl+r'], command: { type: 'search' }, summary: 'Search earlier prompts' },
  { chords: ['ctrl+g'], command: { type: 'edit-externally' }, summary: 'Edit in $VISUAL or $EDITOR' },
  { chords: ['ctrl+o'], command: { type: 'fold' }, summary: 'Unfold or fold a long paste' },
];

const COMMAND_OF_CHORD: ReadonlyMap<string, EditorCommand> = new Map(
  BINDINGS.flatMap(({ chords, command }) => chords.map((chord) => [chord, command] as const)),
);

export function commandOf(chord: string): EditorCommand | undefined {
  return COMMAND_OF_CHORD.get(chord);
}

/** Text, or the chord of another key, like `ctrl+left`. The name of an unknown key is empty. */
export type Stroke = { readonly text: string } | { readonly chord: string };

const NAMED = [
  ['return', 'enter'],
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'page-up'],
  ['pageDown', 'page-down'],
  ['home', 'home'],
  ['end', 'end'],
  ['escape', 'escape'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'delete'],
] as const satisfies readonly (readonly [keyof Key, string])[];

export function strokeOf(input: string, key: Key): Stroke {
  const named = NAMED.find(([field]) => key[field])?.[1];
  if (input === '\n' && !named) return { chord: 'ctrl+j' };
  const isModified = key.ctrl || key.meta || key.super || key.hyper;
  if (!named && !isModified && input !== '') return { text: input };
  // The kitty protocol reports the key without Shift. On most layouts, Shift turns - into _.
  const name = named ?? (input === '-' && key.shift ? '_' : input.toLowerCase());
  const modifiers = [
    key.super && 'super',
    key.hyper && 'hyper',
    key.ctrl && 'ctrl',
    key.meta && 'alt',
    key.shift && named && 'shift',
  ];
  return { chord: [...modifiers.filter(Boolean), name].join('+') };
}

/** Enter sends or runs a line; Ctrl-G starts an editor. */
const STARTS = /[\r\x07]/;
const TEXT = /[^\0-\x1f\x7f]/;

/**
 * Whether the input of one call of a `useInput` handler is a paste, in a terminal that does not bracket pastes: two lines
 * of text, or one between two Enters. Enter may come with the line that it ends, from a program, or with the first keys of
 * the next line.
 */
export function isPaste(input: string): boolean {
  const lines = input.split(STARTS).map((line) => TEXT.test(line));
  const [first, last] = [lines.indexOf(true), lines.lastIndexOf(true)];
  return first < last || (first > 0 && last < lines.length - 1);
}

/**
 * Splits one call of a `useInput` handler into keys. One read may contain several keys, and Ink passes on text with
 * control characters inside: `hello\r` is a word and Enter. Key releases are dropped.
 */
export function keystrokes(input: string, key: Key): (readonly [input: string, key: Key])[] {
  if (key.eventType === 'release') return [];
  if (input.length < 2 || key.ctrl || key.meta) return [[input, key]];
  return input.split(/([\0-\x1f\x7f])/).flatMap((part, i) => {
    if (part === '') return [];
    return [i % 2 === 0 ? ([part, NO_KEY] as const) : controlKey(part)];
  });
}

/** A key without any flag. */
export const NO_KEY: Key = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageDown: false,
  pageUp: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  ctrl: false,
  shift: false,
  tab: false,
  backspace: false,
  delete: false,
  meta: false,
  super: false,
  hyper: false,
  capsLock: false,
  numLock: false,
};

/** The key that Ink reports for a single control character. */
function controlKey(character: string): readonly [string, Key] {
  const code = character.charCodeAt(0);
  if (character === '\r') return [character, { ...NO_KEY, return: true }];
  if (character === '\n') return [character, NO_KEY];
  if (character === '\t') return ['', { ...NO_KEY, tab: true }];
  if (character === '\x1b') return ['', { ...NO_KEY, escape: true }];
  if (character === '\b' || character === '\x7f') return ['', { ...NO_KEY, backspace: true }];
  const name = code === 0 ? ' ' : String.fromCharCode(code + (code <= 26 ? 96 : 64)).toLowerCase();
  return [name, { ...NO_KEY, ctrl: true }];
}
