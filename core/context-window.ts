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
  const { turn, ids } = fittingTurns(starts.length, (first) => encode(from(first)), room);
  return { ids, left: messages.length - from(turn).length };
}

/** Tokens kept free for an answer without a limit, in a context that is not small. */
const ANSWER_TOKENS = 256;

/**
 * The first turn that stays in the prompt, and the prompt: 0 if all fit beside an answer. Else the oldest leave, down to
 * half the context at once: what follows them must be computed again, and should not have to be at every turn. The last
 * turn stays always.
 *
 * @param turns how many there are
 * @param idsFrom a prompt that begins with a turn; it does not grow with the turn's number
 */
export function fittingTurns(
  turns: number,
  idsFrom: (turn: number) => readonly number[],
  room: Room,
): { readonly turn: number; readonly ids: readonly number[] } {
  const { contextLength, maxTokens = ANSWER_TOKENS } = room;
  const most = contextLength - Math.min(maxTokens, ANSWER_TOKENS, contextLength >> 2);
  const all = { turn: 0, ids: idsFrom(0) };
  if (turns < 2 || all.ids.length <= most) return all;
  let [low, high] = [1, turns - 1];
  let found: readonly number[] | undefined; // the prompt from `high`
  while (low < high) {
    const middle = (low + high) >> 1;
    const ids = idsFrom(middle);
    if (ids.length <= contextLength >> 1) [high, found] = [middle, ids];
    else low = middle + 1;
  }
  return { turn: high, ids: found ?? idsFrom(high) };
}

/**
 * The limit of an answer that follows a conversation: none if the context ends first, since its room depends on what was
 * said before.
 */
export function answerLimit({ contextLength, maxTokens }: Room, promptTokens: number): number | undefined {
  return maxTokens !== undefined && maxTokens > contextLength - promptTokens ? undefined : maxTokens;
}
