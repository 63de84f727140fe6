/** Which turns of a conversation a prompt has once they no longer fit in the context together. */
import type { Message } from './chat-template.ts';

export interface Room {
  readonly contextLength: number; // tokens
  /** Most tokens of the answer, if that is limited. */
  readonly maxTokens?: number;
}

/** The messages of a prompt, without the oldest turns if all do not fit. System messages stay. */
export function fittingMessages(
  messages: readonly Message[],
  encode: (messages: readonly Message[]) => readonly number[],
  room: Room,
): { readonly ids: readonly number[]; readonly left: number } {
  const starts = [...messages.keys()].filter((i) => messages[i]!.role === 'user');
  const from = (turn: number) =>
    turn === 0 ? messages : messages.filter(({ role }, i) => role === 'system' || i >= starts[turn]!);
  const turn = firstTurn(starts.length, (first) => encode(from(first)).length, room);
  return { ids: encode(from(turn)), left: messages.length - from(turn).length };
}

/** Tokens kept free for an answer without a limit, in a context that is not small. */
const ANSWER_TOKENS = 256;

/**
 * The first turn that stays in the prompt: 0 if all fit beside an answer. Else the oldest leave, down to half the context
 * at once: what follows them must be computed again, and should not have to be at every turn. The last turn stays always.
 * @param turns how many there are
 * @param tokensFrom the tokens of a prompt that begins with a turn; they do not grow with its number
 */
export function firstTurn(turns: number, tokensFrom: (turn: number) => number, room: Room): number {
  const { contextLength, maxTokens = ANSWER_TOKENS } = room;
  const most = contextLength - Math.min(maxTokens, ANSWER_TOKENS, contextLength >> 2);
  if (turns < 2 || tokensFrom(0) <= most) return 0;
  let [low, high] = [1, turns - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokensFrom(middle) <= contextLength >> 1) high = middle;
    else low = middle + 1;
  }
  return low;
}
