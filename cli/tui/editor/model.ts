/**
 * The prompt editor as the chat uses it: keys go in, text comes out. It combines the buffer, the history, the search and
 * the completion menu. `view` is its visible state.
 */
import type { Key } from 'ink';
import { createStore, type Store } from '../../store.ts';
import {
  cleared,
  type EditorAction,
  type EditorState,
  EMPTY,
  edit,
  isEmpty,
  linesOf,
  offsetOf,
  positionOf,
  textOf,
} from './buffer.ts';
import {
  type Completion,
  type CompletionItem,
  type CompletionSource,
  chosenBy,
  type Menu,
  menuOf,
} from './completion.ts';
import { mentionBefore } from './files.ts';
import { newer, older, PromptHistory, type Walk } from './history.ts';
import { commandOf, type EditorCommand, type Stroke, strokeOf } from './keys.ts';
import { endOfFirstRow, type Position } from './motions.ts';
import { NEW_SEARCH, type Search, searchFor, searchOn } from './search.ts';
import { boundaryBefore } from './segments.ts';

export interface EditorView {
  readonly state: EditorState;
  readonly menu: Menu | undefined;
  readonly search: Search | undefined;
}

interface EditorOptions {
  readonly onSubmit: (text: string) => void;
  readonly onExternalEditor?: () => void;
  /** Called if the history cannot be written. */
  readonly onProblem?: (problem: unknown) => void;
  readonly history?: PromptHistory;
  /** Asked in order; the first that offers anything is used. */
  readonly sources?: readonly CompletionSource[];
}

/** A text that is being edited, with pastes folded. */
type Draft = { readonly lines: readonly string[] } & Position;

export class EditorModel {
  readonly view: Store<EditorView>;
  readonly history: PromptHistory;
  /** Width of the terminal: up and down move by wrapped rows. */
  columns = 80;
  readonly #options: EditorOptions;
  #walk: Walk<Draft> | undefined;
  #asked = 0; // number of completion requests, to recognize late answers
  #offered: EditorState | undefined; // the state that the menu belongs to
  #dismissed: number | undefined; // start of the word whose menu the user closed

  constructor(options: EditorOptions) {
    this.#options = options;
    this.history = options.history ?? PromptHistory.open();
    this.view = createStore<EditorView>({ state: EMPTY, menu: undefined, search: undefined });
  }

  /** The text that a submit would send. */
  get text(): string {
    return textOf(this.#state);
  }

  /** True if there is no text, menu or search, so that keys may have another meaning. */
  get idle(): boolean {
    const { state, menu, search } = this.view.get();
    return isEmpty(state) && !menu && !search;
  }

  /** Replaces the text; undo restores the old one. */
  setText(text: string): void {
    this.#walk = undefined;
    this.#edit({ type: 'set', lines: linesOf(text) });
  }

  /** Inserts text from the clipboard. A long one is folded. */
  paste(text: string): void {
    const { search } = this.view.get();
    if (search) this.#find(search.query + linesOf(text).join(' '));
    else this.#edit({ type: 'paste', text });
  }

  /** Clears the text and adds it to the history. */
  discard(): void {
    this.#remember(this.text);
    this.setText('');
  }

  /** Handles one key, as split by `keystrokes`. Returns false if the editor has no use for it. */
  key(input: string, key: Key): boolean {
    const stroke = strokeOf(input, key);
    const { search, menu } = this.view.get();
    if (search && this.#searchKey(stroke, search)) return true;
    if (menu && this.#menuKey(stroke, menu)) return true;
    if ('text' in stroke) {
      this.#type({ type: 'insert', text: stroke.text });
      return true;
    }
    const command = commandOf(stroke.chord);
    return command !== undefined && this.#run(command);
  }

  get #state(): EditorState {
    return this.view.get().state;
  }

  #show(part: Partial<EditorView>): void {
    this.view.set((view) => ({ ...view, ...part }));
  }

  /** Returns whether anything changed. */
  #edit(action: EditorAction): boolean {
    const state = edit(this.#state, action);
    const isChanged = state !== this.#state;
    this.#closeMenu();
    this.#show({ state });
    return isChanged;
  }

  /** Edits at the cursor and updates the completion menu. */
  #type(action: EditorAction): void {
    this.#show({ state: edit(this.#state, action) });
    this.#complete(false);
  }

  #run(command: EditorCommand): boolean {
    switch (command.type) {
      case 'submit':
        return this.#submit();
      case 'up':
        return this.#edit({ type: 'row', step: -1, columns: this.columns }) || this.#older();
      case 'down':
        return this.#edit({ type: 'row', step: 1, columns: this.columns }) || this.#newer();
      case 'older':
        return this.#older();
      case 'newer':
        return this.#newer();
      case 'search':
        this.#closeMenu();
        this.#show({ search: NEW_SEARCH });
        return true;
      case 'complete':
        this.#complete(true);
        return true;
      case 'edit-externally':
        this.#options.onExternalEditor?.();
        return this.#options.onExternalEditor !== undefined;
      case 'delete-or-leave':
        if (isEmpty(this.#state)) return false;
        this.#type({ type: 'delete', to: 'right' });
        return true;
      case 'delete':
      case 'kill':
        this.#type(command);
        return true;
      default:
        this.#edit(command);
        return true;
    }
  }

  #submit(): boolean {
    const { state } = this.view.get();
    const line = state.lines[state.row]!;
    if (state.col === line.length && line.endsWith('\\')) return this.#edit({ type: 'continue' });
    const text = textOf(state);
    if (text.trim() === '') return false;
    this.#walk = undefined;
    this.#closeMenu();
    this.#show({ state: cleared(state) });
    this.#remember(text);
    this.#options.onSubmit(text);
    return true;
  }

  #remember(text: string): void {
    try {
      this.history.add(text);
    } catch (problem) {
      this.#options.onProblem?.(problem);
    }
  }

  // ----- History -----

  #older(): boolean {
    const { lines, row, col, pastes } = this.#state;
    const walk = older(this.history.entries, this.#walk, { lines, row, col });
    if (!walk) return false;
    this.#walk = walk;
    const recalled = linesOf(this.history.entries[walk.index]!);
    // At the end of the first row, Up moves on to the next entry and Down moves through this one.
    const at = endOfFirstRow({ lines: recalled, pastes, columns: this.columns });
    this.#edit({ type: 'set', lines: recalled, at });
    return true;
  }

  #newer(): boolean {
    if (!this.#walk) return false;
    const { draft } = this.#walk;
    this.#walk = newer(this.history.entries, this.#walk);
    if (this.#walk) this.#edit({ type: 'set', lines: linesOf(this.history.entries[this.#walk.index]!) });
    else this.#edit({ type: 'set', lines: draft.lines, at: { row: draft.row, col: draft.col } });
    return true;
  }

  #find(query: string): void {
    this.#show({ search: searchFor(this.history.entries, query) });
  }

  /** Handles a key during a search. Another key of the editor accepts the found entry first; it is not handled here. */
  #searchKey(stroke: Stroke, search: Search): boolean {
    const { entries } = this.history;
    if ('text' in stroke) {
      this.#find(search.query + stroke.text);
      return true;
    }
    switch (stroke.chord) {
      case 'ctrl+r':
      case 'up':
        this.#show({ search: searchOn(entries, search, -1) });
        return true;
      case 'ctrl+s':
      case 'down':
        this.#show({ search: searchOn(entries, search, 1) });
        return true;
      case 'backspace':
      case 'ctrl+h':
        this.#find(search.query.slice(0, boundaryBefore(search.query, search.query.length)));
        return true;
      case 'escape':
      case 'ctrl+c':
      case 'ctrl+g':
        this.#show({ search: undefined });
        return true;
      case 'enter':
      case 'tab':
        this.#accept(search);
        return true;
    }
    if (commandOf(stroke.chord)) this.#accept(search);
    return false;
  }

  #accept({ found }: Search): void {
    this.#show({ search: undefined });
    if (found === undefined) return;
    const { lines, row, col } = this.#state;
    this.#walk = { index: found, draft: this.#walk?.draft ?? { lines, row, col } };
    this.#edit({ type: 'set', lines: linesOf(this.history.entries[found]!) });
  }

  // ----- Completion -----

  /** Asks the sources for completions. Unless Tab asked, only in a command or a path after @. */
  #complete(isAsked: boolean): void {
    const { state, menu } = this.view.get();
    const id = ++this.#asked;
    if (isAsked || !isCompleted(state)) this.#dismissed = undefined;
    if (!isAsked && !menu && !isCompleted(state)) return;
    const text = state.lines.join('\n');
    const cursor = offsetOf(state.lines, state);
    for (const source of this.#options.sources ?? []) {
      const answer = source(text, cursor);
      if (!answer) continue;
      if (answer instanceof Promise) {
        answer.then(
          (completion) => id === this.#asked && this.#offer(completion, isAsked),
          () => id === this.#asked && this.#closeMenu(),
        );
      } else this.#offer(answer, isAsked);
      return;
    }
    this.#closeMenu();
  }

  #offer(completion: Completion | undefined, isAsked: boolean): void {
    if (!completion?.items.length || completion.start === this.#dismissed) this.#closeMenu();
    else if (isAsked && completion.items.length === 1) this.#insertItem(completion, completion.items[0]!);
    else {
      this.#offered = this.#state;
      this.#show({ menu: menuOf(completion, this.view.get().menu) });
    }
  }

  /** While the menu belongs to an earlier text, only Escape applies to it. */
  #menuKey(stroke: Stroke, menu: Menu): boolean {
    const chord = 'chord' in stroke ? stroke.chord : '';
    if (chord === 'escape') {
      this.#dismissed = menu.start;
      this.#closeMenu();
      return true;
    }
    if (this.#offered !== this.#state) return false;
    switch (chord) {
      case 'up':
      case 'ctrl+p':
      case 'shift+tab':
        this.#show({ menu: chosenBy(menu, -1) });
        return true;
      case 'down':
      case 'ctrl+n':
        this.#show({ menu: chosenBy(menu, 1) });
        return true;
      case 'tab':
        this.#insertItem(menu, menu.items[menu.chosen]!);
        return true;
      case 'enter':
        return this.#takeChosen(menu);
    }
    return false;
  }

  /** Inserts the chosen item, unless it is typed already. */
  #takeChosen(menu: Menu): boolean {
    const item = menu.items[menu.chosen]!;
    const typed = this.#state.lines.join('\n').slice(menu.start, menu.end);
    if (item.value === typed) return false;
    this.#insertItem(menu, item);
    return true;
  }

  #insertItem({ start, end }: Completion, { value, partial }: CompletionItem): void {
    const { lines } = this.#state;
    const [from, to] = [positionOf(lines, start), positionOf(lines, end)];
    const isSpaced = partial || lines[to.row]![to.col] === ' ';
    this.#closeMenu();
    this.#type({ type: 'replace', from, to, text: isSpaced ? value : `${value} ` });
  }

  #closeMenu(): void {
    this.#asked++;
    this.#show({ menu: undefined });
  }
}

/** Whether the menu opens without Tab: in a command, and in a path after @. */
function isCompleted({ lines, row, col }: EditorState): boolean {
  const line = lines[row]!;
  return (row === 0 && line.startsWith('/')) || mentionBefore(line.slice(0, col)) !== undefined;
}
