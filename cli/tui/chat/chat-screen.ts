/**
 * The chat screen minus rendering: key focus, key bindings, and requests from slash commands. A key goes to the open
 * view; without a view to the editor, then here.
 */
import type { Key } from 'ink';
import type { Choice, ChoiceList } from '../../chat/choices.ts';
import type { Dialogue } from '../../chat/dialogue.ts';
import { lastAnswerOf, turnsOf } from '../../chat/messages.ts';
import { isShellLine, ShellLines } from '../../chat/shell-lines.ts';
import {
  completeCommand,
  isCommand,
  runCommand,
  SLASH_COMMANDS,
  waitsForIdle,
} from '../../chat/slash-commands/index.ts';
import type { CommandContext, Screen } from '../../chat/slash-commands/slash-command.ts';
import { createStore, type Store } from '../../store.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { EditorModel } from '../editor/model.ts';
import { MARGIN, questionLines } from './entry-lines.ts';
import type { Inspector } from './inspector.ts';
import type { Room } from './inspector-lines.ts';
import { Picker } from './picker.ts';
import { pageRows } from './picker-lines.ts';
import type { RaceModel } from './race-model.ts';
import type { AnswerLook, ScreenTranscript } from './screen-transcript.ts';

export interface ScreenState extends AnswerLook {
  readonly view?:
    | { readonly kind: 'inspector'; readonly model: Inspector }
    | { readonly kind: 'race'; readonly model: RaceModel }
    | { readonly kind: 'picker'; readonly model: Picker };
  /** Shown in the footer for a moment. */
  readonly hint?: string;
  /** Describes what a submit does, if it does not send a new message. */
  readonly composing?: string;
  readonly columns: number;
  readonly rows: number;
}

/** The part of the terminal that the screen uses. */
export interface Surroundings {
  /** Writes to the terminal, outside of frames. */
  write(data: string): void;
  suspend(): Promise<void>;
  editExternally(text: string): Promise<string | undefined>;
  redraw(): void;
  exit(): void;
}

export interface ChatScreenOptions {
  readonly dialogue: Dialogue;
  readonly transcript: ScreenTranscript;
  readonly editor: EditorModel;
  readonly theme: Theme;
  readonly surroundings: Surroundings;
  readonly columns: number;
  readonly rows: number;
  /** The chat begins with a list: keys wait for it, and do not become a message. */
  readonly beginsWithList?: boolean;
}

/** Columns and rows of an open view, to the right of the margin. */
export function roomOf({ columns, rows }: Pick<ScreenState, 'columns' | 'rows'>): Room {
  return { columns: columns - MARGIN, rows: Math.max(6, rows - 2) };
}

/** For so long a hint is shown, and what it says holds. */
const HINT_MS = 2000;

export class ChatScreen implements Screen {
  readonly state: Store<ScreenState>;
  readonly dialogue: Dialogue;
  readonly transcript: ScreenTranscript;
  readonly editor: EditorModel;
  readonly theme: Theme;
  readonly #surroundings: Surroundings;
  readonly #context: CommandContext;
  readonly #shell: ShellLines;
  #early: (readonly [input: string, key: Key])[] | undefined; // keys that wait for the first list
  #send: ((text: string) => void) | undefined; // receives the next submit instead of the model
  #hintTimer: NodeJS.Timeout | undefined;
  #lastEscape = Number.NEGATIVE_INFINITY; // ms
  #lastInterrupt = Number.NEGATIVE_INFINITY;

  constructor(options: ChatScreenOptions) {
    const { dialogue, transcript, editor, theme, surroundings, columns, rows, beginsWithList } = options;
    this.#early = beginsWithList ? [] : undefined;
    this.dialogue = dialogue;
    this.transcript = transcript;
    this.editor = editor;
    this.theme = theme;
    this.#surroundings = surroundings;
    this.state = createStore<ScreenState>({ columns, rows, raw: false, colours: false });
    this.#context = { dialogue, screen: this, theme, commands: SLASH_COMMANDS };
    this.#shell = new ShellLines(dialogue);
  }

  // ----- Screen

  /** For what commands print: to the right of the margin. The last one stays free. */
  get columns(): number {
    return this.state.get().columns - MARGIN;
  }

  /** The view is open when this returns: keys that follow at once are for it. */
  choose(list: ChoiceList): Promise<Choice | undefined> {
    const { promise, resolve } = Promise.withResolvers<Choice | undefined>();
    const page = () => pageRows(roomOf(this.state.get()));
    const model = new Picker(list, { page, onEnd: resolve });
    model.onClose = () => this.#closeView();
    this.#endHint();
    this.#set({ view: { kind: 'picker', model } });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const stroke of early) this.key(...stroke);
    return promise;
  }

  compose(text: string, send?: (text: string) => void): boolean {
    this.editor.setText(text);
    this.#send = send;
    this.#set({ composing: send && 'a new version of that question; Esc cancels' });
    return true;
  }

  copy(text: string): boolean {
    this.#surroundings.write(`\x1b]52;c;${Buffer.from(text).toString('base64')}\x07`);
    return true;
  }

  clear() {
    this.#surroundings.redraw();
  }

  exit() {
    this.#surroundings.exit();
  }

  showSource(on = !this.state.get().raw): boolean {
    this.#set({ raw: on });
    return on;
  }

  inspect(inspection: 'alternatives' | 'attention', token?: number): boolean {
    void this.#openInspector(inspection, token);
    return true;
  }

  race(contenders: readonly [string, string], prompt: string) {
    void this.#openRace(contenders, prompt);
  }

  // ----- input

  resize(columns: number, rows: number) {
    this.#set({ columns, rows });
    this.transcript.resize(columns);
  }

  submit(text: string) {
    this.#endHint();
    const send = this.#send;
    this.#leaveComposing();
    if (send) return send(text);
    if (isShellLine(text)) return void this.#shell.run(text);
    const command = this.commandIn(text);
    if (!command || (this.dialogue.busy && waitsForIdle(this.#context, text)))
      this.dialogue.say(text, command);
    else void command();
  }

  /** What runs a line, if it is a slash command. */
  commandIn(text: string): (() => Promise<void>) | undefined {
    if (!isCommand(text)) return undefined;
    return () => {
      this.transcript.add({ kind: 'command', text });
      return runCommand(this.#context, text);
    };
  }

  /** Puts a message that could not be sent back into the editor, unless the user is writing another one. */
  giveBack(text: string) {
    if (this.editor.text === '') this.editor.setText(text);
  }

  complete(line: string) {
    return completeCommand(this.#context, line);
  }

  paste(text: string) {
    const { view } = this.state.get();
    if (view?.kind === 'picker') view.model.paste(text);
    else if (!view) this.editor.paste(text);
  }

  key(input: string, key: Key) {
    if (this.state.get().view) return this.#viewKeys(input, key);
    if (this.#early && !key.ctrl) return void this.#early.push([input, key]);
    if (!key.escape) this.#lastEscape = Number.NEGATIVE_INFINITY;
    if (this.editor.idle && this.#emptyPromptKey(input, key)) return;
    if (!this.editor.key(input, key)) this.#globalKey(input, key);
  }

  /** Letters that arrive together are a key each. Those after the key that closes the view are dropped. */
  #viewKeys(input: string, key: Key) {
    for (const letter of input.length > 1 ? input : [input]) {
      const { view } = this.state.get();
      if (!view) return;
      if (view.model.key(letter, key)) continue;
      if (key.ctrl && letter === 'd') return this.exit();
      if (key.escape || letter === 'q' || (key.ctrl && letter === 'c')) this.#closeView();
    }
  }

  async editExternally(): Promise<void> {
    try {
      const text = await this.#surroundings.editExternally(this.editor.text);
      if (text !== undefined) this.editor.setText(text);
    } catch (error) {
      this.transcript.add({ kind: 'error', error });
    }
  }

  #emptyPromptKey(input: string, key: Key): boolean {
    const plain = !key.ctrl && !key.meta && !key.shift;
    if (key.leftArrow && plain) return this.#switchVersion(-1);
    if (key.rightArrow && plain) return this.#switchVersion(1);
    if (input === 'o' && key.ctrl) return this.#showQuestion();
    if (input === '?' && plain) {
      void runCommand(this.#context, '/help');
      return true;
    }
    if (key.upArrow && plain && this.dialogue.state.get().queued.length > 0) {
      this.editor.setText(this.dialogue.unqueue()!);
      return true;
    }
    return false;
  }

  /** The editor gets the key while there are no messages. */
  #switchVersion(step: -1 | 1): boolean {
    const { busy, branch } = this.dialogue;
    if (!busy) branch.switchVersion(step);
    return branch.path.length > 0;
  }

  #globalKey(input: string, key: Key) {
    if (key.escape) return this.#escape();
    if (!key.ctrl) return;
    if (input === 'c') return this.#interrupt();
    if (input === 'd') return this.exit();
    if (input === 'l') return this.#surroundings.redraw();
    if (input === 'z') void this.#surroundings.suspend();
    if (input === 't') this.#toggleColours();
  }

  #escape() {
    if (this.dialogue.busy) return this.dialogue.stop();
    if (this.#send) {
      this.editor.setText('');
      return this.#leaveComposing();
    }
    const turns = turnsOf(this.dialogue.branch.path);
    if (this.editor.text !== '' || turns.length === 0) return;
    const twice = performance.now() - this.#lastEscape < HINT_MS;
    this.#lastEscape = twice ? Number.NEGATIVE_INFINITY : performance.now();
    if (!twice) return this.#hint(`Esc again edits ${turns.length === 1 ? 'the last' : 'a'} question`);
    this.#endHint();
    void runCommand(this.#context, '/edit');
  }

  #interrupt() {
    if (this.dialogue.stoppable) return this.dialogue.stop();
    if (this.editor.text !== '') {
      this.editor.discard();
      return this.#leaveComposing();
    }
    if (performance.now() - this.#lastInterrupt < HINT_MS) return this.exit();
    this.#lastInterrupt = performance.now();
    this.#hint('press Ctrl-C again to exit');
  }

  /** Prints the last question, which the transcript may have folded. The editor gets the key while there is none. */
  #showQuestion(): boolean {
    const question = this.dialogue.branch.path.findLast(({ role }) => role === 'user');
    if (question) this.transcript.add({ kind: 'output', lines: questionLines(question.content, this) });
    return question !== undefined;
  }

  #toggleColours() {
    const colours = !this.state.get().colours;
    this.#set({ colours });
    this.#hint(colours ? 'token colours on' : 'token colours off');
    if (colours && lastAnswerOf(this.dialogue.branch.path) && !this.dialogue.busy)
      void runCommand(this.#context, '/alt');
  }

  #hint(hint: string) {
    clearTimeout(this.#hintTimer);
    this.#set({ hint });
    this.#hintTimer = setTimeout(() => this.#set({ hint: undefined }), HINT_MS).unref();
  }

  #endHint() {
    clearTimeout(this.#hintTimer);
    if (this.state.get().hint !== undefined) this.#set({ hint: undefined });
  }

  #leaveComposing() {
    this.#send = undefined;
    this.#set({ composing: undefined });
  }

  // ----- views

  async #openInspector(inspection: 'alternatives' | 'attention', token: number | undefined): Promise<void> {
    const { Inspector } = await import('./inspector.ts');
    const answer = lastAnswerOf(this.dialogue.branch.path)!; // the command has checked that there is one
    await this.dialogue.work(async (signal) => {
      const model = await Inspector.open(this.dialogue, answer, inspection, { token, signal });
      model.onClose = () => this.#closeView();
      this.#set({ view: { kind: 'inspector', model } });
    });
  }

  async #openRace(contenders: readonly [string, string], prompt: string): Promise<void> {
    const { RaceModel } = await import('./race-model.ts');
    const model = new RaceModel(contenders, prompt, this.dialogue.pacer);
    this.#set({ view: { kind: 'race', model } });
    await this.dialogue.work((signal) => model.run(this.dialogue, signal));
  }

  #closeView() {
    const { view } = this.state.get();
    view?.model.close();
    this.#set({ view: undefined });
    if (view?.kind === 'race')
      this.transcript.add({ kind: 'output', lines: view.model.summary(this.theme, this.columns) });
  }

  #set(part: Partial<ScreenState>) {
    this.state.set((state) => ({ ...state, ...part }));
  }
}
