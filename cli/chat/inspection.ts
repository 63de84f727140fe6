/** Looks into an answer: the probabilities of its tokens, and which earlier tokens they attend to. */
import { type Attention, attentionOf, headWeights } from '../../core/attention.ts';
import type { TreeMessage } from '../../core/conversation.ts';
import { bar } from '../terminal/plot/bars.ts';
import type { Dialogue } from './dialogue.ts';
import { ALTERNATIVES } from './generation.ts';
import type { CommandContext } from './slash-commands/slash-command.ts';
import { tokenName, tokenTexts, visible } from './token-text.ts';

export interface InspectedToken extends Alternative {
  /** In the answer: none if it begins a character that later tokens end. */
  readonly text: string;
  /** The most probable tokens at its position, possibly including itself. */
  readonly alternatives: readonly Alternative[];
}

export interface Alternative {
  readonly id: number;
  readonly name: string; // by itself
  readonly probability: number; // of the model, before any sampler
}

/** The tokens of an answer, including end-of-text tokens. */
export async function inspectAnswer(
  dialogue: Dialogue,
  answer: TreeMessage,
  signal: AbortSignal,
): Promise<InspectedToken[]> {
  const { chat, model } = dialogue.loaded!;
  const { promptIds, ids } = dialogue.answerIds(answer);
  const onProgress = dialogue.readingMeter();
  const scored = await chat.probabilities(promptIds, ids, ALTERNATIVES, { signal, onProgress });
  const named = ({ id, logprob }: { id: number; logprob: number }): Alternative => ({
    id,
    name: tokenName(model.tokenizer, id),
    probability: Math.exp(logprob),
  });
  const texts = tokenTexts(model.tokenizer, ids);
  return scored.map((token, i) => ({
    ...named(token),
    text: texts[i]!,
    alternatives: token.top.map(named),
  }));
}

/** Attention of the row that predicted a token: a weight for every earlier token, in every layer and head. */
export interface TokenAttention extends Attention {
  readonly names: readonly string[]; // of the positions: each token by itself
  readonly texts: readonly string[]; // none of a token that begins a character
  readonly controls: readonly boolean[]; // whether the position holds a control token
}

/** @param index of the token within the answer */
export async function attentionOfToken(
  dialogue: Dialogue,
  answer: TreeMessage,
  index: number,
  signal: AbortSignal,
): Promise<TokenAttention> {
  const { chat, model } = dialogue.loaded!;
  const { promptIds, ids } = dialogue.answerIds(answer);
  const before = [...promptIds, ...ids.slice(0, index)];
  const onProgress = dialogue.readingMeter();
  const attention = await attentionOf(await chat.sequence(before), before, { signal, onProgress });
  const { tokenizer } = model;
  return {
    ...attention,
    names: before.map((id) => tokenName(tokenizer, id)),
    texts: tokenTexts(tokenizer, before),
    controls: before.map((id) => tokenizer.isControl(id)),
  };
}

/**
 * The first token is an attention sink (Xiao et al., "Efficient streaming language models with attention sinks", 2023).
 * Its share is given separately, and the others are shares of the rest.
 */
export interface AttentionShares {
  readonly sink: number; // 0 to 1
  readonly shares: Float64Array; // [positions], of the rest; 0 for the first token
}

/**
 * Shares in one layer and head. Averages over all layers if `layer` is undefined, and over all heads if `head` is; all
 * shares are zero for a head that the layer lacks.
 */
export function attentionShares(attention: TokenAttention, layer?: number, head?: number): AttentionShares {
  const { heads, positions } = attention;
  const shares = new Float64Array(positions);
  let rows = 0;
  for (const [l, count] of heads.entries()) {
    if (layer !== undefined && layer !== l) continue;
    for (let h = head ?? 0; h < Math.min(count, head === undefined ? count : head + 1); h++, rows++) {
      const weights = headWeights(attention, l, h);
      for (let i = 0; i < positions; i++) shares[i] = shares[i]! + weights[i]!;
    }
  }
  const sink = shares[0]! / Math.max(1, rows);
  shares[0] = 0;
  const left = rows * (1 - sink);
  if (left > 0) for (let i = 1; i < positions; i++) shares[i] = shares[i]! / left;
  return { sink, shares };
}

/** [layer][head]: the largest weight besides that of the first token, 0 to 1. */
export function peakWeights(attention: TokenAttention): number[][] {
  return attention.heads.map((count, l) =>
    Array.from({ length: count }, (_, h) =>
      headWeights(attention, l, h)
        .subarray(1)
        .reduce((most, weight) => Math.max(most, weight), 0),
    ),
  );
}

/** Layers with attention, and the most heads of one. */
export function countsOf({ heads }: TokenAttention): { layers: number; heads: number } {
  return { layers: heads.length, heads: Math.max(0, ...heads) };
}

// ----- as lines, for frontends without a screen

const MOST_LINES = 12;
const BAR_CELLS = 20;

/** All alternatives of one token, or the least certain tokens of the answer. */
export async function alternativeLines(
  context: CommandContext,
  answer: TreeMessage,
  index: number | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const { dialogue } = context;
  const tokens = await inspectAnswer(dialogue, answer, signal);
  if (index !== undefined) return tokens[index]!.alternatives.map((each) => alternativeLine(context, each));
  const unsure = [...tokens.entries()].sort(([, a], [, b]) => a.probability - b.probability);
  const shown = unsure.slice(0, MOST_LINES).sort(([a], [b]) => a - b);
  return [
    'The least certain tokens; /alt TOKEN lists the alternatives of one.',
    ...shown.map(([i, token]) => `${`${i + 1}`.padStart(5)} ${alternativeLine(context, token)}`),
  ];
}

function alternativeLine({ theme }: CommandContext, { name, probability }: Alternative): string {
  return `${`${(100 * probability).toFixed(1)}`.padStart(6)} % ${bar(probability, BAR_CELLS, theme)} ${theme.code(visible(name, theme))}`;
}

/** The tokens with the largest attention shares, seen from token `index`; from the last token without one. */
export async function attentionLines(
  { dialogue, theme }: CommandContext,
  answer: TreeMessage,
  index: number | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const { ids } = dialogue.answerIds(answer);
  const at = index ?? ids.length - 1;
  const attention = await attentionOfToken(dialogue, answer, at, signal);
  const { sink, shares } = attentionShares(attention);
  const most = [...shares.entries()].sort(([, a], [, b]) => b - a).slice(0, MOST_LINES);
  const chosen = visible(tokenName(dialogue.loaded!.model.tokenizer, ids[at]!), theme);
  const { layers, heads } = countsOf(attention);
  return [
    `Attention when ${theme.code(chosen)} (token ${at + 1}) was chosen, mean of ${layers} layers and ${heads} heads:`,
    ...most.map(
      ([i, share]) =>
        `${`${(100 * share).toFixed(1)}`.padStart(6)} % ${bar(share, BAR_CELLS, theme)} ${theme.code(visible(attention.names[i]!, theme))}${theme.dim(` ${shares.length - i} back`)}`,
    ),
    theme.dim(`not counted: ${(100 * sink).toFixed(0)} % on the first token, the attention sink`),
  ];
}
