/** The picker: the user walks and filters a list, and takes one entry. */
import type { Key } from 'ink';
import { type Choice, type ChoiceList, matching, onOneLine } from '../../chat/choices.ts';
import { createStore, type Store } from '../../store.ts';
import { clusters } from '../../terminal/text/width.ts';
import { strokeOf } from '../editor/keys.ts';

export interface PickerState {
  readonly list: ChoiceList; // with texts that are safe to draw
  readonly filter: string;
  readonly found: readonly Choice[]; // by the filter
  readonly at: number; // index in `found` of the one under the cursor
}

/** Characters of the filter: a paste may be long. */
const MOST_FILTER = 100;

interface PickerOptions {
  /** Number of entries that the screen shows at once. */
  readonly page: () => number;
  /** Receives the choice; undefined if the user leaves. Called once. */
  readonly onEnd: (choice: Choice | undefined) => void;
}

export class Picker {
  readonly state: Store<PickerState>;
  /** Closes the view. */
  onClose: () => void = () => {};
  readonly #page: () => number;
  #onEnd: PickerOptions['onEnd'];

  constructor(list: ChoiceList, { page, onEnd }: PickerOptions) {
    const choices = list.choices.map(drawable);
    const at = list.at ?? 0;
    this.state = createStore<PickerState>({ list: { ...list, choices }, filter: '', found: choices, at });
    this.#page = page;
    this.#onEnd = onEnd;
  }

  key(input: string, key: Key): boolean {
    const stroke = strokeOf(input, key);
    const { at, found, filter } = this.state.get();
    if ('text' in stroke) return this.#filter(filter + stroke.text);
    switch (stroke.chord) {
      case 'up':
      case 'ctrl+p':
        return this.#moveTo(at - 1);
      case 'down':
      case 'ctrl+n':
        return this.#moveTo(at + 1);
      case 'page-up':
        return this.#moveTo(at - this.#page());
      case 'page-down':
        return this.#moveTo(at + this.#page());
      case 'home':
        return this.#moveTo(0);
      case 'end':
        return this.#moveTo(found.length - 1);
      case 'backspace':
      case 'shift+backspace':
      case 'ctrl+h':
        return this.#filter(withoutLast(filter));
      case 'ctrl+u':
        return this.#filter('');
      case 'enter':
        return this.#take();
      default:
        return false;
    }
  }

  /** Adds text to the filter. */
  paste(text: string): void {
    this.#filter(this.state.get().filter + text);
  }

  /** Without a choice, unless one was taken. */
  close(): void {
    this.#end(undefined);
  }

  #take(): true {
    const { found, at } = this.state.get();
    const choice = found[at];
    if (choice) {
      this.#end(choice);
      this.onClose();
    }
    return true;
  }

  #end(choice: Choice | undefined): void {
    const onEnd = this.#onEnd;
    this.#onEnd = () => {};
    onEnd(choice);
  }

  #moveTo(at: number): true {
    this.state.set((state) => {
      const next = Math.max(0, Math.min(state.found.length - 1, at));
      return next === state.at ? state : { ...state, at: next };
    });
    return true;
  }

  /** The cursor stays on its choice while that is found. */
  #filter(text: string): true {
    const filter = onOneFilter(text);
    this.state.set((state) => {
      const found = matching(state.list.choices, filter);
      const at = Math.max(0, found.indexOf(state.found[state.at]!));
      return { ...state, filter, found, at };
    });
    return true;
  }
}

function drawable(choice: Choice): Choice {
  const { before = '', text, after } = choice;
  return { ...choice, before: onOneLine(before), text: onOneLine(text), after: after.map(onOneLine) };
}

/** One line; a space at the end stays, since a word may follow. */
function onOneFilter(text: string): string {
  const space = /\s$/.test(text) ? ' ' : '';
  return `${onOneLine(text.slice(0, MOST_FILTER))}${space}`.trimStart();
}

function withoutLast(text: string): string {
  return [...clusters(text)]
    .slice(0, -1)
    .map((cluster) => cluster.text)
    .join('');
}
