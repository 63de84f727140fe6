/**
 * A chat as its user drives it: messages go in, entries of the transcript and the state come out. It knows no screen;
 * a terminal UI and a plain line mode both draw it.
 *
 * One thing is done at a time. A message that comes meanwhile waits for its turn; a command that cannot wait says so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Conversation,
  childrenOf,
  EMPTY_CONVERSATION,
  type MessageId,
  newestLeafBelow,
  nextId,
  pathTo,
  type Role,
  siblingsOf,
  type TreeMessage,
  type Version,
  versionOf,
  withMessage,
} from '../../core/conversation.ts';
import type { GeneratedToken } from '../../core/generate.ts';
import type { AnswerWriter, StoredSession } from '../../core/sessions/store.ts';
import type { Options } from '../options.ts';
import type { Store } from '../store.ts';
import { attachFiles } from './attachments.ts';
import { type ChatState, INITIAL_STATE, type Phase, readingOf } from './chat-state.ts';
import { generateAnswer } from './generation.ts';
import { factsOf, type LoadedModel, loadChatModel } from './loaded-model.ts';
import { messagesOf, turnsOf } from './messages.ts';
import { PacedState } from './paced-state.ts';
import type { Pacer } from './pacer.ts';
import type { SessionKeeper } from './session-keeper.ts';
import { Speedometer } from './speedometer.ts';
import { type Transcript, tell } from './transcript.ts';

interface AnswerIds {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
}

/** What shows a dialogue: a screen, plain lines, or a test. */
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

/** Bytes of all files that a message may attach; whether they fit the context shows when they are tokens. */
const MOST_ATTACHED = 4e6;

/** A step over a long prompt cannot be stopped in the middle. */
const GRACE_MS = 3000;

export class Dialogue {
  readonly state: Store<ChatState>;
  readonly transcript: Transcript;
  readonly keeper: SessionKeeper;
  readonly pacer: Pacer;
  readonly #frontend: Frontend;
  readonly #paced: PacedState<ChatState>;
  /** Ids of the answers given here, which their texts alone may not give back. */
  readonly #given = new Map<MessageId, AnswerIds>();
  /** What may be set while it runs: sampling, limits, the system message of a new conversation. */
  options: Options;
  #loaded: LoadedModel | undefined;
  #abort: AbortController | undefined;
  #closed = false;

  constructor({ frontend, keeper, options, pacer }: DialogueOptions) {
    this.#frontend = frontend;
    this.transcript = frontend.transcript;
    this.keeper = keeper;
    this.options = options;
    this.pacer = pacer;
    this.#paced = new PacedState(INITIAL_STATE, pacer);
    this.state = this.#paced.store;
  }

  // ----- what it is about

  get conversation(): Conversation {
    return this.state.get().conversation;
  }

  /** The branch that is read, first message first. */
  get path(): TreeMessage[] {
    return pathTo(this.conversation);
  }

  /** The model, once there is one. */
  get loaded(): LoadedModel | undefined {
    return this.#loaded;
  }

  get busy(): boolean {
    return this.state.get().phase !== 'idle';
  }

  /** Prompt and token ids of an answer; those of one that was not given here come from its text. */
  answerIds(message: TreeMessage): AnswerIds {
    const { chat, model } = this.#loaded!;
    const known = this.#given.get(message.id);
    if (known) return known;
    const promptIds = chat.promptIds(messagesOf(pathTo(this.conversation, message.parent)));
    return { promptIds, ids: model.tokenizer.encode(message.content) };
  }

  /** Which version of how many a message is; undefined where it is the only one. */
  versionOf(id: MessageId): Version | undefined {
    return versionOf(this.conversation, id);
  }

  // ----- the model

  /**
   * Loads a model beside the present one, which goes when the new one is there, and has it read the conversation.
   * A failure is told and leaves what was; returns whether it succeeded.
   */
  async load(reference: string, backend: string | undefined): Promise<boolean> {
    const done = await this.#during('loading', async (signal) => {
      const loaded = await loadChatModel(reference, backend, {
        options: this.options,
        signal,
        onProgress: (loading) => this.#paced.soon({ loading }),
        onNote: (text, detail) => {
          if (!detail || this.options.debug) this.transcript.add({ kind: 'notice', text });
        },
      });
      if (this.#closed) return loaded.model.dispose();
      await this.#loaded?.model.dispose();
      this.#loaded = loaded;
      this.#given.clear();
      const model = factsOf(loaded);
      this.#paced.now({ model, loading: undefined, contextUsed: 0 });
      this.transcript.add({ kind: 'model', facts: model });
      await this.#readAgain(loaded, signal);
    });
    this.#paced.now({ loading: undefined });
    this.#next();
    return done;
  }

  /**
   * Stops what runs, waits for it as long as an answer may take to end, and gives everything back. A model that is being
   * loaded is not waited for: the process ends.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#paced.now({ queued: [] });
    this.stop();
    const end = performance.now() + GRACE_MS;
    const lasts = () => this.#abort && this.state.get().phase !== 'loading' && performance.now() < end;
    while (lasts()) await sleep(10);
    this.#paced.stop();
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.model.dispose();
    this.keeper.close();
  }

  // ----- messages

  /** Sends a message when it is its turn. */
  say(text: string): void {
    this.#paced.now({ queued: [...this.state.get().queued, text] });
    this.#next();
  }

  /** Takes back the message that was queued last. */
  takeBack(): string | undefined {
    const { queued } = this.state.get();
    this.#paced.now({ queued: queued.slice(0, -1) });
    return queued.at(-1);
  }

  /** Ends what runs; of an answer what there is stays. */
  stop(): void {
    this.#abort?.abort();
  }

  /** Answers the last question once more, or from `forced` ids on; the other answers stay. */
  retry(question: MessageId, forced: readonly number[] = []): Promise<boolean> {
    return this.#turn((signal) => this.#generate(question, forced, signal));
  }

  /** Asks something else in the place of an earlier question, which stays. */
  async rewrite(question: MessageId, text: string): Promise<void> {
    const { parent } = this.conversation.messages.get(question)!;
    await this.#turn((signal) => this.#ask(text, parent, signal));
  }

  /** Adds a message that asks for no answer. */
  note(role: Role, content: string): void {
    this.#add({ ...this.#stamp(this.conversation.head), role, content });
  }

  /** Reads on from `head`, the beginning where it is undefined. Nothing is lost. */
  moveTo(head: MessageId | undefined): void {
    this.#paced.now({ conversation: { ...this.conversation, head } });
    if (head !== undefined) this.keeper.setHead(head);
  }

  /** Moves to the end of the branch of `message` and shows what is other there. */
  switchTo(message: MessageId): void {
    const before = new Set(this.path.map(({ id }) => id));
    this.moveTo(newestLeafBelow(this.conversation, message));
    tell(
      this.transcript,
      this.conversation,
      this.path.filter(({ id }) => !before.has(id)),
    );
  }

  /** The previous or next version of the last message that has several; false where none has. */
  turnOver(step: -1 | 1): boolean {
    const last = this.path.findLast(({ id }) => this.versionOf(id) !== undefined);
    if (!last || this.busy) return false;
    const versions = siblingsOf(this.conversation, last.id).filter(({ role }) => role === last.role);
    const at = versions.findIndex(({ id }) => id === last.id) + step;
    if (versions[at]) this.switchTo(versions[at].id);
    return versions[at] !== undefined;
  }

  /** Begins another conversation; the present one stays where it is kept. */
  startOver(): void {
    this.keeper.turnTo(undefined);
    this.#given.clear();
    this.#paced.now({
      conversation: EMPTY_CONVERSATION,
      session: undefined,
      contextUsed: 0,
      speed: undefined,
    });
  }

  /** Goes on with a session that was kept. */
  async resume({ id, title, conversation }: StoredSession): Promise<void> {
    this.keeper.turnTo(id);
    this.#given.clear();
    this.#paced.now({ conversation, session: { id, title }, contextUsed: 0 });
    this.transcript.add({ kind: 'cut', title });
    tell(this.transcript, conversation, this.path);
    await this.#turn((signal) => this.#readAgain(this.#loaded, signal));
  }

  /** Does something that takes its time and can be stopped; errors are told. Returns whether it came to its end. */
  async work(run: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const done = await this.#during('working', run);
    this.#next();
    return done;
  }

  setView(view: Pick<ChatState, 'session'>): void {
    this.#paced.now(view);
  }

  // ----- inside

  /** Sends the next message that waits, if it can be sent. */
  #next(): void {
    const [text, ...queued] = this.state.get().queued;
    if (text === undefined || this.busy || !this.#loaded) return;
    void this.#turn((signal) => this.#ask(text, this.conversation.head, signal), { queued });
  }

  /** Reads and answers; then it is the turn of what waits. */
  async #turn(run: (signal: AbortSignal) => Promise<void>, change?: Partial<ChatState>): Promise<boolean> {
    const done = await this.#during('reading', run, change);
    this.#next();
    return done;
  }

  async #ask(text: string, parent: MessageId | undefined, signal: AbortSignal): Promise<void> {
    try {
      const { content, attachments } = await attachFiles(text, {
        cwd: process.cwd(),
        limitBytes: MOST_ATTACHED,
      });
      this.#addQuestion(text, content, parent);
      for (const { path, lines } of attachments) {
        this.transcript.add({ kind: 'notice', text: `attached ${path}, ${lines} lines` });
      }
    } catch (error) {
      this.#frontend.onUnsent?.(text);
      throw error;
    }
    await this.#generate(this.conversation.head!, [], signal);
  }

  #addQuestion(shown: string, content: string, parent: MessageId | undefined): void {
    if (parent === undefined && this.options.system) {
      this.note('system', this.options.system);
      parent = this.conversation.head;
    }
    const message: TreeMessage = { ...this.#stamp(parent), role: 'user', content };
    this.#add(message);
    this.transcript.add({ kind: 'user', text: shown, version: this.versionOf(message.id) });
  }

  async #generate(question: MessageId, forced: readonly number[], signal: AbortSignal): Promise<void> {
    const loaded = this.#loaded!;
    const { chat, model, reference } = loaded;
    const promptIds = chat.promptIds(messagesOf(pathTo(this.conversation, question)));
    const message = { ...this.#stamp(question), role: 'assistant' as const };
    const versions = childrenOf(this.conversation, question).filter(
      ({ role }) => role === 'assistant',
    ).length;
    const version = versions === 0 ? undefined : { number: versions + 1, of: versions + 1 };
    const start = model.tokenizer.decode(forced);
    const speedometer = new Speedometer();
    const clock = performance.now();
    let writer: AnswerWriter | undefined;
    const show = (text: string, token?: GeneratedToken) => {
      if (!writer) {
        const { length: promptTokens } = promptIds;
        writer = this.keeper.begin(message, { model: reference, backend: model.backend.name, promptTokens });
        this.#paced.now({ phase: 'answering', reading: undefined });
        this.transcript.add({ kind: 'answer-begin', version });
        if (start !== '') show(start);
      }
      const scored = token?.top && { id: token.id, logprob: token.logprob!, top: token.top };
      this.transcript.add({ kind: 'answer-text', text, token: scored });
      writer.text(text);
    };
    const generated = await generateAnswer({
      ...{ loaded, promptIds, forced, signal, versions },
      options: this.options,
      scored: this.#frontend.wantsProbabilities?.() ?? false,
      onReading: (done, total) =>
        this.#paced.soon({ reading: readingOf(done, total, performance.now() - clock) }),
      onToken: (token) => {
        show(token.text, token);
        speedometer.token(performance.now());
        const { speed } = speedometer;
        this.#paced.soon({ speed, contextUsed: promptIds.length + forced.length + speed.tokens });
      },
    });
    if (!writer) {
      this.transcript.add({ kind: 'notice', text: 'stopped before the first word' });
      return;
    }
    const { origin, error, ids, text } = generated;
    writer.end(origin);
    this.#given.set(message.id, { promptIds, ids });
    const conversation = withMessage(this.conversation, { ...message, content: start + text, origin });
    this.#paced.now({ conversation, contextUsed: promptIds.length + ids.length });
    this.transcript.add({ kind: 'answer-end', origin, version });
    if (error !== undefined) this.transcript.add({ kind: 'error', error });
  }

  /** Has the model read a conversation that is there already, so that the next answer comes at once. */
  async #readAgain(loaded: LoadedModel | undefined, signal: AbortSignal): Promise<void> {
    if (!loaded || turnsOf(this.path).length === 0) return;
    const ids = loaded.chat.promptIds(messagesOf(this.path), false);
    const clock = performance.now();
    this.#paced.now({ phase: 'reading' });
    await loaded.chat.session(ids).evaluate(ids, {
      signal,
      onProgress: (done, total) =>
        this.#paced.soon({ reading: readingOf(done, total, performance.now() - clock) }),
    });
    this.#paced.now({ contextUsed: ids.length, reading: undefined });
  }

  #stamp(parent: MessageId | undefined): Pick<TreeMessage, 'id' | 'parent' | 'createdAt'> {
    return { id: nextId(this.conversation), parent, createdAt: new Date().toISOString() };
  }

  #add(message: TreeMessage): void {
    this.#paced.now({ conversation: withMessage(this.conversation, message) });
    this.keeper.add(message, this.#loaded?.reference ?? this.options.model ?? '');
    const { id } = this.keeper;
    if (id !== undefined && this.state.get().session?.id !== id) this.#paced.now({ session: { id } });
  }

  async #during(
    phase: Phase,
    run: (signal: AbortSignal) => Promise<void>,
    change: Partial<ChatState> = {},
  ): Promise<boolean> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#paced.now({ ...change, phase });
    try {
      await run(abort.signal);
      return true;
    } catch (error) {
      if (!(abort.signal.aborted && error === abort.signal.reason)) {
        this.transcript.add({ kind: 'error', error });
      }
      return false;
    } finally {
      this.#abort = undefined;
      this.#paced.now({ phase: 'idle', reading: undefined });
    }
  }
}
