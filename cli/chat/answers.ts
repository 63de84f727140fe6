/** Generates the answers of one loaded model. Text goes to the transcript and to disk as it is generated. */
import type { Message } from '../../core/chat-template.ts';
import { fittingMessages } from '../../core/context-window.ts';
import type { AnswerOrigin, MessageId, TreeMessage, Version } from '../../core/conversation.ts';
import { type GeneratedToken, UnfinishedAnswer } from '../../core/generate.ts';
import type { AnswerWriter } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Branch, Draft } from './branch.ts';
import { type ChatState, readingOf } from './chat-state.ts';
import { ContextWindow } from './context-window.ts';
import { type Generated, generateAnswer } from './generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import { messagesOf, turnsOf } from './messages.ts';
import type { PacedState } from './paced-state.ts';
import type { SessionKeeper } from './session-keeper.ts';
import { Speedometer } from './speedometer.ts';
import type { Transcript } from './transcript.ts';

const SUMMARIZE =
  'Summarize this conversation between a user and an assistant in a few sentences. Keep names, numbers and decisions.';
const SUMMARY_TOKENS = 512; // and at most an eighth of the context
const FULL =
  'the context is full: go on, and the oldest messages leave it; /compact puts a summary in their place';
/** Share of the context from which on a notice says that it fills. */
const CROWDED = 0.8;

export interface AnswerIds {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
}

/** The places that answers are written to. */
export interface AnswerSinks {
  readonly state: PacedState<ChatState>;
  readonly transcript: Transcript;
  readonly keeper: SessionKeeper;
  readonly branch: Branch;
}

interface AnswerRequest {
  readonly question: MessageId;
  /** Tokens that the answer starts with, whatever the model would choose. */
  readonly forced: readonly number[];
  readonly options: Options;
  /** Tokens come with their probabilities. */
  readonly scored: boolean;
  readonly signal: AbortSignal;
}

export class Answers {
  readonly loaded: LoadedModel;
  readonly #sinks: AnswerSinks;
  /** Encoding the text of an answer may give other ids than those that were generated. */
  readonly #generated = new WeakMap<TreeMessage, AnswerIds>();
  readonly #window: ContextWindow;
  #warned = false; // that the context fills

  constructor(loaded: LoadedModel, sinks: AnswerSinks) {
    this.loaded = loaded;
    this.#sinks = sinks;
    this.#window = new ContextWindow((messages) => loaded.chat.promptIds(messages));
  }

  /** Ids of an answer and of its prompt: as generated here, or else encoded from their texts. */
  idsOf(answer: TreeMessage): AnswerIds {
    const generated = this.#generated.get(answer);
    if (generated) return generated;
    const promptIds = this.#promptIds(this.#sinks.branch.pathTo(answer.parent));
    return { promptIds, ids: this.loaded.model.tokenizer.encode(answer.content) };
  }

  /** Generates an answer to `question`. Throws if it fails before the first token. */
  async generate({ question, forced, options, scored, signal }: AnswerRequest): Promise<void> {
    const { loaded } = this;
    const { state, transcript, branch } = this.#sinks;
    const promptIds = this.#fitting(branch.pathTo(question), options.maxTokens);
    const versions = branch.answerCount(question);
    const answer = this.#open(question, forced, { versions, promptTokens: promptIds.length });
    const speedometer = new Speedometer();
    const generated = await generateAnswer({
      loaded,
      promptIds,
      forced,
      versions,
      options,
      scored,
      signal,
      onReading: this.readingMeter(),
      onToken: (token) => {
        answer.add(token);
        speedometer.token(performance.now());
        const { speed } = speedometer;
        state.soon({ speed, contextUsed: promptIds.length + forced.length + speed.tokens });
      },
    });
    const message = answer.end(generated);
    if (!message) return transcript.add({ kind: 'notice', text: 'stopped before the first token' });
    const { ids, error } = generated;
    this.#generated.set(message, { promptIds, ids });
    const used = promptIds.length + ids.length;
    state.now({ contextUsed: used });
    if (error instanceof UnfinishedAnswer) transcript.add({ kind: 'notice', text: FULL });
    else if (error !== undefined) transcript.add({ kind: 'error', error });
    else this.#warn(used);
  }

  /** A summary of the branch by the model; undefined if it is stopped. Throws if the model says nothing. */
  async summarize(options: Options, signal: AbortSignal): Promise<string | undefined> {
    const { loaded } = this;
    const { state, branch } = this.#sinks;
    const messages = messagesOf(branch.path, this.firstQuestion);
    const { contextLength } = loaded.model;
    const maxTokens = Math.min(SUMMARY_TOKENS, contextLength >> 3);
    const room = { contextLength, maxTokens };
    const encode = (some: readonly Message[]) => loaded.chat.promptIds([summaryOf(some)]);
    const { ids: promptIds } = fittingMessages(messages, encode, room);
    state.now({ phase: 'answering' });
    const { text, error } = await generateAnswer({
      ...{ loaded, promptIds, forced: [], versions: 0, scored: false, signal },
      options: { ...options, maxTokens },
      onReading: this.readingMeter(),
      onToken: () => {},
    });
    if (signal.aborted) return undefined;
    if (text.trim() !== '') return text.trim();
    throw (
      error ?? new UserError('The model gave no summary.', 'Try /compact again, or begin anew with /new.')
    );
  }

  /** Evaluates the whole branch, so that the next answer starts at once. */
  async prefill(signal: AbortSignal): Promise<void> {
    const { state, branch } = this.#sinks;
    if (turnsOf(branch.path).length === 0) return;
    this.#fitting(branch.path);
    const ids = this.#promptIds(branch.path, false);
    state.now({ phase: 'reading' });
    const sequence = await this.loaded.chat.sequence(ids);
    await sequence.evaluate(ids, { signal, onProgress: this.readingMeter() });
    state.now({ contextUsed: ids.length, reading: undefined });
  }

  /** The question that prompts of the present branch begin with; undefined if all messages fit. */
  get firstQuestion(): MessageId | undefined {
    return this.#window.firstOf(this.#sinks.branch.path);
  }

  /** The prompt of a branch. If it does not fit, the oldest turns leave, and a notice says so. */
  #fitting(path: readonly TreeMessage[], maxTokens?: number): readonly number[] {
    const { contextLength } = this.loaded.model;
    const { ids, left } = this.#window.fit(path, { contextLength, maxTokens });
    if (left === 0) return ids;
    this.#warned = false;
    const text = `the context was full: the oldest ${left} messages left it, and ${ids.length} tokens are read again`;
    this.#sinks.transcript.add({ kind: 'notice', text });
    return ids;
  }

  /** Says that the context fills: once, and again after it was emptier. */
  #warn(used: number): void {
    const share = used / this.loaded.model.contextLength;
    const isCrowded = share >= CROWDED;
    if (isCrowded && !this.#warned) {
      const text = `${Math.round(100 * share)} % of the context is used: once it is full, the oldest messages leave it; /compact puts a summary in their place`;
      this.#sinks.transcript.add({ kind: 'notice', text });
    }
    this.#warned = isCrowded;
  }

  #promptIds(path: readonly TreeMessage[], addGenerationPrompt = true): readonly number[] {
    return this.loaded.chat.promptIds(messagesOf(path, this.#window.firstOf(path)), addGenerationPrompt);
  }

  /** Shows how much of a prompt has been read since this call. */
  readingMeter(): (done: number, total: number) => void {
    const start = performance.now();
    return (done, total) => {
      if (done < total)
        this.#sinks.state.soon({ reading: readingOf(done, total, performance.now() - start) });
    };
  }

  #open(
    question: MessageId,
    forced: readonly number[],
    { versions, promptTokens }: { versions: number; promptTokens: number },
  ): OpenAnswer {
    const { reference, model } = this.loaded;
    return new OpenAnswer({
      sinks: this.#sinks,
      draft: this.#sinks.branch.draft('assistant', question),
      version: versions === 0 ? undefined : { number: versions + 1, of: versions + 1 },
      forcedText: model.tokenizer.decode(forced),
      known: { model: reference, backend: model.backend.name, promptTokens },
    });
  }
}

interface OpenAnswerOptions {
  readonly sinks: AnswerSinks;
  readonly draft: Draft;
  readonly version: Version | undefined;
  readonly forcedText: string;
  /** Stored first, in case this process dies before the end. */
  readonly known: Pick<AnswerOrigin, 'model' | 'backend' | 'promptTokens'>;
}

/** An answer while it is generated. It begins with its first token: without one, nothing is printed or stored. */
class OpenAnswer {
  readonly #options: OpenAnswerOptions;
  #writer: AnswerWriter | undefined;

  constructor(options: OpenAnswerOptions) {
    this.#options = options;
  }

  add({ id, text, logprob, top }: GeneratedToken): void {
    const { transcript } = this.#options.sinks;
    this.#writer ??= this.#begin();
    const token = top && { id, logprob: logprob!, top };
    transcript.add({ kind: 'answer-text', text, token });
    this.#writer.text(text);
  }

  /** Adds the answer to the branch; undefined if it never began. */
  end({ text, origin }: Generated): TreeMessage | undefined {
    if (!this.#writer) return undefined;
    const { sinks, draft, forcedText, version } = this.#options;
    this.#writer.end(origin);
    const message = { ...draft, content: forcedText + text, origin };
    sinks.branch.addStored(message);
    sinks.transcript.add({ kind: 'answer-end', origin, version });
    return message;
  }

  #begin(): AnswerWriter {
    const { sinks, draft, version, forcedText, known } = this.#options;
    const writer = sinks.keeper.begin(draft, known);
    sinks.state.now({ phase: 'answering', reading: undefined });
    sinks.transcript.add({ kind: 'answer-begin', version });
    if (forcedText !== '') {
      sinks.transcript.add({ kind: 'answer-text', text: forcedText });
      writer.text(forcedText);
    }
    return writer;
  }
}

/** The request for a summary, with the conversation as a text: small models lose their way after a real one. */
function summaryOf(messages: readonly Message[]): Message {
  const said = messages.map(({ role, content }) => `${role}: ${content}`).join('\n\n');
  return { role: 'user', content: `${SUMMARIZE}\n\n${said}\n\nSummary:` };
}
