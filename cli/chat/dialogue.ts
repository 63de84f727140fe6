/**
 * A chat as the user drives it: messages go in, transcript entries and a state come out. A terminal UI, a plain line mode
 * and the tests are its frontends.
 */

import type { MessageId, TreeMessage } from '../../core/conversation.ts';
import type { StoredSession } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import { attachmentWords } from '../attachments/attached-files.ts';
import { attachFiles } from '../attachments/mentions.ts';
import type { Store } from '../store.ts';
import { type AnswerIds, Answers } from './answers.ts';
import { Branch } from './branch.ts';
import { type ChatState, INITIAL_STATE } from './chat-state.ts';
import type { LoadedModel } from './loaded-model.ts';
import { summaryMessage, systemPartsOf } from './messages.ts';
import { PacedState } from './paced-state.ts';
import type { Pacer } from './pacer.ts';
import type { KeeperReports, SessionKeeper } from './session-keeper.ts';
import type { Transcript } from './transcript.ts';
import { Turns, type Work } from './turns.ts';

/** A user interface of a dialogue: a screen, plain lines, or a test. */
export interface Frontend {
  readonly transcript: Transcript;
  /** Whether answers should carry the probabilities of their tokens, at a few percent of the speed. Default: no. */
  wantsProbabilities?(): boolean;
  /** Receives a message that could not be sent, so that its text is not lost. */
  onUnsent?(text: string): void;
}

export interface DialogueOptions {
  readonly frontend: Frontend;
  readonly keeper: SessionKeeper;
  readonly options: Options;
  readonly pacer: Pacer;
}

/** A question before it is sent. */
interface Asking {
  readonly text: string; // as the user wrote it
  readonly parent: MessageId | undefined;
  /** Texts that go with it, whatever it names. */
  readonly enclosed?: readonly string[];
  /** Attaches no files: mentions in `text` may be those of files that it contains. */
  readonly asIs?: boolean;
}

/** What a question was made of, without the files that it names. */
type Asked = Required<Pick<Asking, 'text' | 'enclosed'>>;

/** What is attached is in fences, so a question of a stored session that has none was written as it is. */
const FENCE = /^`{3,}/m;

/** Time that a stopped answer gets to end, ms: a step over a long prompt cannot be interrupted. */
const GRACE_MS = 3000;

/** Says what becomes of the conversation on disk. */
function reportsOf(transcript: Transcript): KeeperReports {
  const notice = (text: string) => transcript.add({ kind: 'notice', text });
  return {
    waits(cause) {
      const hint = 'The chat goes on; what is not saved yet is saved as soon as that is possible.';
      transcript.add({ kind: 'error', error: new UserError(cause.message, hint, { cause }) });
    },
    recovered: () => notice('all of this conversation is saved again'),
    removed: () =>
      notice('another process removed this session: it is saved no more; /save saves all of it as a new one'),
  };
}

function unsavedEnd(cause: UserError): UserError {
  return new UserError(`The end of this conversation is not saved. ${cause.message}`, cause.hint, { cause });
}

export class Dialogue {
  readonly state: Store<ChatState>;
  readonly transcript: Transcript;
  readonly keeper: SessionKeeper;
  readonly pacer: Pacer;
  readonly branch: Branch;
  /** Sampling, limits, the system message of a new conversation. Changes apply to the next answer. */
  options: Options;
  readonly #frontend: Frontend;
  readonly #state: PacedState<ChatState>;
  readonly #turns: Turns;
  #answers: Answers | undefined;
  #enclosed: readonly string[] = []; // texts that go with the next question
  /** Of the questions asked here; on disk a question is one text. */
  readonly #asked = new WeakMap<TreeMessage, Asked>();
  #closed = false;

  constructor({ frontend, keeper, options, pacer }: DialogueOptions) {
    const { transcript } = frontend;
    const state = new PacedState(INITIAL_STATE, pacer);
    this.#frontend = frontend;
    this.#state = state;
    this.state = state.store;
    this.transcript = transcript;
    this.keeper = keeper;
    this.options = options;
    this.pacer = pacer;
    keeper.reports = reportsOf(transcript);
    this.branch = new Branch({ state, transcript, keeper, reference: () => this.reference });
    this.#turns = new Turns({
      state,
      transcript,
      canSend: () => this.#answers !== undefined,
      send: (text, signal) => this.#ask({ text, parent: this.branch.conversation.head }, signal),
    });
  }

  /** Whether the user is leaving. */
  get closed(): boolean {
    return this.#closed;
  }

  get busy(): boolean {
    return this.#turns.busy;
  }

  /** Whether Ctrl-C stops what runs. It does not stop the first load: leaving does. */
  get stoppable(): boolean {
    return this.busy && (this.loaded !== undefined || this.state.get().phase !== 'loading');
  }

  // ----- the model

  /** Undefined until the first load succeeds. */
  get loaded(): LoadedModel | undefined {
    return this.#answers?.loaded;
  }

  /** Reference of the loaded model; before the first load, of the one in the options. */
  get reference(): string {
    return this.loaded?.reference ?? this.options.model ?? '';
  }

  /**
   * Loads a model, replaces the present one with it, and prefills it with the conversation. If the load fails, the
   * present model stays. Returns whether it succeeded.
   */
  load(reference: string, backend: string | undefined): Promise<boolean> {
    return this.#turns.run('loading', async (signal) => {
      const { loadChatModel } = await import('./loaded-model.ts'); // the engine, after the first frame
      const loaded = await loadChatModel(reference, backend, {
        options: this.options,
        signal,
        onProgress: (loading) => this.#state.soon({ loading }),
        onNote: (text, detail) => {
          if (!detail || this.options.debug) this.transcript.add({ kind: 'notice', text });
        },
      });
      if (this.#closed) return loaded.model.dispose();
      await this.loaded?.model.dispose();
      await this.#use(loaded, signal);
    });
  }

  async #use(loaded: LoadedModel, signal: AbortSignal): Promise<void> {
    const { transcript, keeper, branch } = this;
    const { facts } = loaded;
    this.#answers = new Answers(loaded, { state: this.#state, transcript, keeper, branch });
    this.#state.now({ model: facts, loading: undefined, contextUsed: 0 });
    transcript.add({ kind: 'model', facts });
    await this.#answers.prefill(signal);
  }

  /** The question that prompts begin with, if earlier messages have left the context. */
  get firstQuestion(): MessageId | undefined {
    return this.#answers?.firstQuestion;
  }

  /** Ids of an answer and of its prompt. Needs a loaded model. */
  answerIds(answer: TreeMessage): AnswerIds {
    return this.#answers!.idsOf(answer);
  }

  // ----- turns

  /** Queues a message, or a command with what runs it. It is sent or run at once if nothing else runs. */
  say(text: string, run?: () => Promise<void>): void {
    this.#turns.queue({ text, run });
  }

  /** Adds a text to the next question, after what the user writes: a file, the output of a command. */
  enclose(...texts: readonly string[]): void {
    this.#enclosed = [...this.#enclosed, ...texts];
  }

  /** Drops what would go with the next question. */
  dropEnclosed(): void {
    this.#enclosed = [];
  }

  /** Removes the newest line from the queue and returns its text. */
  unqueue(): string | undefined {
    return this.#turns.unqueue();
  }

  /** Stops the running answer, load or command. An answer keeps its text so far. */
  stop(): void {
    this.#turns.stop();
  }

  /** Adds another answer to `question`, which starts with the tokens `forced`. */
  retry(question: MessageId, forced: readonly number[] = []): Promise<boolean> {
    return this.#turns.run('reading', (signal) => this.#answer(question, forced, signal));
  }

  /** What the user wrote of a question; all of it, with what was attached, if it comes from disk. */
  typedOf(question: TreeMessage): string {
    return this.#asked.get(question)?.text ?? question.content;
  }

  /** Asks `text` as another version of `question`. The files that it names are read again; outputs stay with it. */
  async rewrite(question: MessageId, text: string): Promise<void> {
    const before = this.branch.conversation.messages.get(question)!;
    const asked = this.#asked.get(before);
    const asking = {
      text,
      parent: before.parent,
      enclosed: asked?.enclosed,
      asIs: !asked && FENCE.test(text),
    };
    await this.#turns.run('reading', (signal) => this.#ask(asking, signal));
  }

  /** Takes a question and all behind it off the branch. What it enclosed goes with the next one; returns whether it did. */
  undo(question: TreeMessage): boolean {
    const { enclosed = [] } = this.#asked.get(question) ?? {};
    this.branch.moveTo(question.parent);
    this.#enclosed = [...enclosed, ...this.#enclosed];
    return enclosed.length > 0;
  }

  /**
   * Begins a branch with a summary of the present one, which is kept, by the model. `onSummary` gets it. If that is
   * stopped, it gets undefined; if that fails, it gets nothing: then nothing changes.
   */
  compact(onSummary: (summary: string | undefined) => void): Promise<boolean> {
    return this.#turns.run('working', async (signal) => {
      const summary = await this.#answers!.summarize(this.options, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (summary === undefined) return onSummary(undefined);
      const { instructions } = systemPartsOf(this.branch.path); // without an earlier summary: the new one contains it
      this.branch.moveTo(undefined);
      if (instructions !== '') this.branch.note('system', instructions);
      this.branch.note('system', summaryMessage(summary));
      onSummary(summary);
    });
  }

  /** Shows how much of a prompt a command has read. Needs a loaded model. */
  readingMeter(): (done: number, total: number) => void {
    return this.#answers!.readingMeter();
  }

  /** Runs a slash command that takes long. Returns whether it completed. */
  work(run: Work): Promise<boolean> {
    return this.#turns.run('working', run);
  }

  /** Continues a stored session and prefills the model with it. */
  async resume(session: StoredSession): Promise<void> {
    this.branch.resume(session);
    await this.#turns.run('reading', async (signal) => this.#answers?.prefill(signal));
  }

  /** Stops the running work, waits for it at most GRACE_MS, and releases the model and the sessions. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turns.close(GRACE_MS);
    this.#state.stop();
    const { loaded } = this;
    this.#answers = undefined;
    const { id } = this.keeper;
    if (id !== undefined) await loaded?.chat.store(id);
    await loaded?.model.dispose();
    this.keeper.close();
    const { problem } = this.keeper;
    if (problem) this.transcript.add({ kind: 'error', error: unsavedEnd(problem) });
  }

  // ----- inside

  async #ask(asking: Asking, signal: AbortSignal): Promise<void> {
    const { text, parent } = asking;
    const enclosed = [...(asking.enclosed ?? []), ...this.#enclosed];
    let question: MessageId;
    try {
      question = await this.#addQuestion({ ...asking, enclosed }, signal);
    } catch (error) {
      this.#frontend.onUnsent?.(text);
      throw error;
    }
    try {
      await this.#answer(question, [], signal);
    } catch (error) {
      if (error instanceof UserError && error.kind === 'context') {
        this.branch.moveTo(parent); // a question too long for any context takes no part in the conversation
        this.enclose(...enclosed);
        this.#frontend.onUnsent?.(text);
        throw new UserError(error.message, this.#waysToFit(), { cause: error, kind: 'context' });
      }
      throw error;
    }
  }

  /** What to do with a question that is longer than the context. */
  #waysToFit(): string {
    const { contextLength, trainedContext } = this.loaded!.model;
    const shorter =
      contextLength < trainedContext
        ? `Shorten it, or type /set ctx N for a larger context, of at most ${trainedContext} tokens.`
        : `Shorten it: this model was trained for a context of ${trainedContext} tokens.`;
    if (this.#enclosed.length === 0) return shorter;
    return `${shorter} What was attached goes with your next question; /clear drops it.`;
  }

  /** Adds a question with its attachments, after the system message if it is the first. */
  async #addQuestion(asking: Asking & Asked, signal: AbortSignal): Promise<MessageId> {
    const { branch, transcript } = this;
    const { system } = this.options;
    const { text, enclosed, asIs } = asking;
    let { parent } = asking;
    const attached = asIs
      ? { content: text, attachments: [] }
      : await attachFiles(text, { cwd: process.cwd(), signal });
    if (parent === undefined && system) {
      branch.note('system', system);
      parent = branch.conversation.head;
    }
    const content = [attached.content, ...enclosed].join('\n\n');
    const message = { ...branch.draft('user', parent), content };
    branch.add(message);
    if (!asIs) this.#asked.set(message, { text, enclosed });
    this.dropEnclosed();
    transcript.add({ kind: 'user', text, version: branch.versionOf(message.id) });
    for (const attachment of attached.attachments) {
      transcript.add({ kind: 'notice', text: `attached ${attachmentWords(attachment)}` });
    }
    return message.id;
  }

  async #answer(question: MessageId, forced: readonly number[], signal: AbortSignal): Promise<void> {
    await this.#answers!.generate({
      question,
      forced,
      options: this.options,
      scored: this.#frontend.wantsProbabilities?.() ?? false,
      signal,
    });
  }
}
