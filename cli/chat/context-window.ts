import type { Message } from '../../core/chat-template.ts';
import { fittingTurns, type Room } from '../../core/context-window.ts';
import type { MessageId, TreeMessage } from '../../core/conversation.ts';
import { messagesOf } from './messages.ts';

/** The messages of a branch that fit. */
export interface Fitting {
  readonly ids: readonly number[]; // of the prompt
  /** How many questions and answers have left the prompt with this call. */
  readonly left: number;
}

/** Remembers where the prompts of a conversation begin, so that they share a prefix until more turns have to leave. */
export class ContextWindow {
  readonly #encode: (messages: readonly Message[]) => readonly number[];
  #first: MessageId | undefined; // undefined: with the first message

  constructor(encode: (messages: readonly Message[]) => readonly number[]) {
    this.#encode = encode;
  }

  /** The question that prompts of this branch begin with; undefined if all fit. */
  firstOf(path: readonly TreeMessage[]): MessageId | undefined {
    return path.some(({ id }) => id === this.#first) ? this.#first : undefined;
  }

  /** The prompt of a branch, without its oldest turns if they do not fit. */
  fit(path: readonly TreeMessage[], room: Room): Fitting {
    const first = this.firstOf(path);
    const start = Math.max(
      0,
      path.findIndex(({ id }) => id === first),
    );
    const questions = path.slice(start).filter(({ role }) => role === 'user');
    const idsFrom = (turn: number) =>
      this.#encode(messagesOf(path, turn === 0 ? first : questions[turn]!.id));
    const { turn, ids } = fittingTurns(questions.length, idsFrom, room);
    if (turn === 0 || ids.length > room.contextLength) return { ids, left: 0 }; // the last question alone is too long
    this.#first = questions[turn]!.id;
    const end = path.findIndex(({ id }) => id === this.#first);
    const left = path.slice(start, end).filter(({ role }) => role !== 'system').length;
    return { ids, left };
  }
}
