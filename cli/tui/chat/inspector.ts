/** The inspector: the user moves over the tokens of an answer and sees alternatives to each, or its attention. */
import type { Key } from 'ink';
import type { TreeMessage } from '../../../core/conversation.ts';
import type { Dialogue } from '../../chat/dialogue.ts';
import {
  attentionOfToken,
  countsOf,
  type InspectedToken,
  inspectAnswer,
  type TokenAttention,
} from '../../chat/inspection.ts';
import { createStore, type Store } from '../../store.ts';

export type Inspection = 'alternatives' | 'attention';

export interface InspectorState {
  readonly kind: Inspection;
  readonly tokens: readonly InspectedToken[];
  readonly at: number; // the chosen token
  readonly alternative: number; // index of the chosen alternative
  /** Of the chosen token; undefined while it is computed. */
  readonly attention?: TokenAttention;
  /** Undefined: the mean over all layers, or over all heads. */
  readonly layer?: number;
  readonly head?: number;
}

/** Cached attention rows. Each has layers x heads x positions floats. */
const MOST_CACHED = 32;

export class Inspector {
  readonly state: Store<InspectorState>;
  onClose: () => void = () => {};
  readonly #dialogue: Dialogue;
  readonly #answer: TreeMessage;
  readonly #attentions = new Map<number, TokenAttention>();
  #computing = false;

  private constructor(dialogue: Dialogue, answer: TreeMessage, state: InspectorState) {
    this.#dialogue = dialogue;
    this.#answer = answer;
    this.state = createStore(state);
  }

  /** Evaluates the answer once more, for the probability of each token. */
  static async open(
    dialogue: Dialogue,
    answer: TreeMessage,
    kind: Inspection,
    { token, signal }: { readonly token: number | undefined; readonly signal: AbortSignal },
  ): Promise<Inspector> {
    const tokens = await inspectAnswer(dialogue, answer, signal);
    const at = token ?? (kind === 'attention' ? lastWord(tokens) : leastCertain(tokens));
    const inspector = new Inspector(dialogue, answer, { kind, tokens, at, alternative: 0 });
    if (kind === 'attention') await inspector.#computeAttention(signal);
    return inspector;
  }

  key(input: string, key: Key): boolean {
    const { kind, at, tokens } = this.state.get();
    if (key.ctrl || key.meta) return false;
    if (key.leftArrow || input === 'h') return this.#choose(at - 1);
    if (key.rightArrow || input === 'l') return this.#choose(at + 1);
    if (key.home) return this.#choose(0);
    if (key.end) return this.#choose(tokens.length - 1);
    if (key.tab) return this.#switchTo(kind === 'attention' ? 'alternatives' : 'attention');
    if (kind === 'alternatives') return this.#alternativeKey(input, key);
    return this.#attentionKey(input, key);
  }

  close(): void {
    this.onClose = () => {};
  }

  #alternativeKey(input: string, key: Key): boolean {
    const { alternative, tokens, at } = this.state.get();
    const most = tokens[at]!.alternatives.length - 1;
    if (key.upArrow || input === 'k') return this.#set({ alternative: Math.max(0, alternative - 1) });
    if (key.downArrow || input === 'j') return this.#set({ alternative: Math.min(most, alternative + 1) });
    if (!key.return) return false;
    this.#fork();
    return true;
  }

  /** Up and down choose a layer, [ and ] a head, 0 the mean of all. */
  #attentionKey(input: string, key: Key): boolean {
    const { attention, layer, head } = this.state.get();
    if (!attention) return false;
    const step = (now: number | undefined, by: number, count: number) =>
      Math.max(0, Math.min(count - 1, now === undefined ? (by > 0 ? 0 : count - 1) : now + by));
    const { layers, heads } = countsOf(attention);
    if (key.upArrow) return this.#set({ layer: step(layer, -1, layers) });
    if (key.downArrow) return this.#set({ layer: step(layer, 1, layers) });
    if (input === '[') return this.#set({ head: step(head, -1, heads) });
    if (input === ']') return this.#set({ head: step(head, 1, heads) });
    if (input === '0') return this.#set({ layer: undefined, head: undefined });
    return false;
  }

  /** Generates another answer, which continues after the chosen alternative. */
  #fork(): void {
    const { tokens, at, alternative } = this.state.get();
    const chosen = tokens[at]!.alternatives[alternative];
    if (!chosen) return;
    const forced = [...tokens.slice(0, at).map(({ id }) => id), chosen.id];
    this.onClose();
    void this.#dialogue.retry(this.#answer.parent!, forced);
  }

  #choose(at: number): boolean {
    if (this.state.get().tokens[at]) this.#set({ at, alternative: 0, attention: this.#attentions.get(at) });
    this.#requestAttention();
    return true;
  }

  #switchTo(kind: Inspection): boolean {
    this.#set({ kind });
    this.#requestAttention();
    return true;
  }

  /** Computes the attention of the chosen token, if it is shown and missing. If that fails, alternatives are shown. */
  #requestAttention(): void {
    if (this.#computing || this.#hasAttention()) return;
    void this.#dialogue
      .work((signal) => this.#computeAttention(signal))
      .then((done) => {
        if (!done) this.#set({ kind: 'alternatives' });
      });
  }

  /** Computes the attention of the chosen token. Repeats while the user chooses another one. */
  async #computeAttention(signal: AbortSignal): Promise<void> {
    this.#computing = true;
    try {
      while (!this.#hasAttention()) {
        const { at } = this.state.get();
        this.#attentions.set(at, await attentionOfToken(this.#dialogue, this.#answer, at, signal));
        if (this.#attentions.size > MOST_CACHED)
          this.#attentions.delete(this.#attentions.keys().next().value!);
      }
      this.#set({ attention: this.#attentions.get(this.state.get().at) });
    } finally {
      this.#computing = false;
    }
  }

  #hasAttention(): boolean {
    const { kind, at } = this.state.get();
    return kind !== 'attention' || this.#attentions.has(at);
  }

  #set(part: Partial<InspectorState>): true {
    this.state.set((state) => ({ ...state, ...part }));
    return true;
  }
}

function leastCertain(tokens: readonly InspectedToken[]): number {
  return tokens.reduce((least, token, i) => (token.probability < tokens[least]!.probability ? i : least), 0);
}

/** The last token that contains a letter or digit and is not a control token. */
function lastWord(tokens: readonly InspectedToken[]): number {
  return Math.max(
    0,
    tokens.findLastIndex(({ text }) => /\p{L}|\p{N}/u.test(text) && !text.startsWith('<|')),
  );
}
