/** What went on in the model while it gave an answer: probabilities of its tokens, and what they looked back on. */
import { type Attention, attentionOf } from '../../core/attention.ts';
import type { TreeMessage } from '../../core/conversation.ts';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.ts';
import { bar } from '../terminal/plot/bars.ts';
import { terminalText } from '../terminal/terminal-text.ts';
import type { Theme } from '../terminal/theme.ts';
import type { CommandContext } from './commands/slash-command.ts';
import type { Dialogue } from './dialogue.ts';
import { ALTERNATIVES } from './generation.ts';

export interface InspectedToken extends Alternative {
  /** The most probable ones in its place, itself perhaps among them. */
  readonly alternatives: readonly Alternative[];
}

export interface Alternative {
  readonly id: number;
  readonly text: string;
  readonly probability: number; // under the model itself, before any sampler
}

/** The tokens of an answer; those at its end that only mark the end included. */
export async function inspectAnswer(dialogue: Dialogue, answer: TreeMessage): Promise<InspectedToken[]> {
  const { chat, model } = dialogue.loaded!;
  const { promptIds, ids } = dialogue.answerIds(answer);
  const scored = await chat.probabilities(promptIds, ids, ALTERNATIVES);
  const named = ({ id, logprob }: { id: number; logprob: number }): Alternative => ({
    id,
    text: tokenText(model.tokenizer, id),
    probability: Math.exp(logprob),
  });
  return scored.map((token) => ({ ...named(token), alternatives: token.top.map(named) }));
}

/** What the row that chose a token looked at: a weight for every token before it, in every layer and head. */
export interface TokenAttention extends Attention {
  readonly texts: readonly string[]; // of the positions
  readonly controls: readonly boolean[]; // whether a position holds no text but a mark of the template
}

/** @param index of the token in its answer */
export async function attentionOfToken(
  dialogue: Dialogue,
  answer: TreeMessage,
  index: number,
): Promise<TokenAttention> {
  const { chat, model } = dialogue.loaded!;
  const { promptIds, ids } = dialogue.answerIds(answer);
  const before = [...promptIds, ...ids.slice(0, index)];
  const attention = await attentionOf(chat.session(before), before);
  const { tokenizer } = model;
  return {
    ...attention,
    texts: before.map((id) => tokenText(tokenizer, id)),
    controls: before.map((id) => tokenizer.isControl(id)),
  };
}

/**
 * The first token draws the attention that has nowhere else to go (Xiao et al., "Efficient streaming language models
 * with attention sinks", 2023): it is told apart, and shares are of what is left.
 */
export interface AttentionShares {
  readonly sink: number; // 0 to 1
  readonly shares: Float64Array; // [positions], of what is left; 0 for the first
}

/** Mean over the layers and heads that `layer` and `head` leave open. */
export function attentionShares(
  { layers, heads, positions, weights }: TokenAttention,
  layer?: number,
  head?: number,
): AttentionShares {
  const shares = new Float64Array(positions);
  let rows = 0;
  for (let l = layer ?? 0; l < (layer === undefined ? layers : layer + 1); l++) {
    for (let h = head ?? 0; h < (head === undefined ? heads : head + 1); h++, rows++) {
      const start = (l * heads + h) * positions;
      for (let i = 0; i < positions; i++) shares[i] = shares[i]! + weights[start + i]!;
    }
  }
  const sink = shares[0]! / rows;
  shares[0] = 0;
  const left = rows * (1 - sink);
  if (left > 0) for (let i = 1; i < positions; i++) shares[i] = shares[i]! / left;
  return { sink, shares };
}

/** For each layer and head the largest weight beside the first token: how sharply it looks at one word, 0 to 1. */
export function peakWeights({ layers, heads, positions, weights }: TokenAttention): number[][] {
  return Array.from({ length: layers }, (_, l) =>
    Array.from({ length: heads }, (_, h) => {
      const start = (l * heads + h) * positions;
      return weights
        .subarray(start + 1, start + positions)
        .reduce((most, weight) => Math.max(most, weight), 0);
    }),
  );
}

// ----- in lines, where no screen is

const MOST_LINES = 12;
const BAR_CELLS = 20;

/** Of one token all alternatives; of an answer the tokens it was least sure of. */
export async function alternativeLines(
  context: CommandContext,
  answer: TreeMessage,
  index: number | undefined,
): Promise<string[]> {
  const { dialogue } = context;
  const tokens = await inspectAnswer(dialogue, answer);
  if (index !== undefined) return tokens[index]!.alternatives.map((each) => alternativeLine(context, each));
  const unsure = [...tokens.entries()].sort(([, a], [, b]) => a.probability - b.probability);
  const shown = unsure.slice(0, MOST_LINES).sort(([a], [b]) => a - b);
  return [
    'The tokens it was least sure of; /alt TOKEN shows what else each could have been.',
    ...shown.map(([i, token]) => `${`${i + 1}`.padStart(5)} ${alternativeLine(context, token)}`),
  ];
}

function alternativeLine({ theme }: CommandContext, { text, probability }: Alternative): string {
  return `${`${(100 * probability).toFixed(1)}`.padStart(6)} % ${bar(probability, BAR_CELLS, theme)} ${theme.code(visible(text, theme))}`;
}

/** The words that a token looked at most; the last token where none is named. */
export async function attentionLines(
  { dialogue, theme }: CommandContext,
  answer: TreeMessage,
  index: number | undefined,
): Promise<string[]> {
  const { ids } = dialogue.answerIds(answer);
  const at = index ?? ids.length - 1;
  const attention = await attentionOfToken(dialogue, answer, at);
  const { sink, shares } = attentionShares(attention);
  const most = [...shares.entries()].sort(([, a], [, b]) => b - a).slice(0, MOST_LINES);
  const chosen = visible(tokenText(dialogue.loaded!.model.tokenizer, ids[at]!), theme);
  return [
    `Before ${theme.code(chosen)} (token ${at + 1}) it looked at, mean of ${attention.layers} layers and ${attention.heads} heads:`,
    ...most.map(
      ([i, share]) =>
        `${`${(100 * share).toFixed(1)}`.padStart(6)} % ${bar(share, BAR_CELLS, theme)} ${theme.code(visible(attention.texts[i]!, theme))}`,
    ),
    theme.dim(
      `besides, ${(100 * sink).toFixed(0)} % rest on the first token, where attention goes that has no other place`,
    ),
  ];
}

/** A token's own text may be part of a character: U+FFFD stands for what is not whole. */
export function tokenText(tokenizer: Pick<Tokenizer, 'tokenBytes'>, id: number): string {
  return terminalText(new TextDecoder().decode(tokenizer.tokenBytes(id, { special: true })));
}

/** A token on one line, with its spaces to be seen. */
export function visible(text: string, { look }: Theme): string {
  return text
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll(' ', look.ascii ? '_' : '␣');
}
