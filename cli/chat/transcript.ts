/** The output of a chat as entries, in order. Each is printed once and never changes. */
import {
  type AnswerOrigin,
  type Conversation,
  type TreeMessage,
  type Version,
  versionOf,
} from '../../core/conversation.ts';
import type { TokenLogprob } from '../../core/generate/logprobs.ts';
import type { ModelFacts } from './chat-state.ts';

export type Entry =
  | { readonly kind: 'model'; readonly facts: ModelFacts }
  | { readonly kind: 'user'; readonly text: string; readonly version?: Version }
  /** A slash command, as typed. */
  | { readonly kind: 'command'; readonly text: string }
  | { readonly kind: 'answer-begin'; readonly version?: Version }
  | { readonly kind: 'answer-text'; readonly text: string; readonly token?: ScoredToken }
  | { readonly kind: 'answer-end'; readonly origin: AnswerOrigin; readonly version?: Version }
  /** A short remark, dimmed. */
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'error'; readonly error: unknown }
  /** Output of a command, already styled. */
  | { readonly kind: 'output'; readonly lines: readonly string[] }
  /** A line between two conversations. */
  | { readonly kind: 'cut'; readonly title: string };

/** A token with its probability and that of its alternatives. */
export interface ScoredToken {
  readonly id: number;
  readonly logprob: number; // natural logarithm
  readonly top: readonly TokenLogprob[];
}

export interface Transcript {
  add(entry: Entry): void;
}

/** Prints messages of a conversation again. */
export function replay(
  transcript: Transcript,
  conversation: Conversation,
  messages: readonly TreeMessage[],
): void {
  for (const { id, role, content, origin } of messages) {
    const version = versionOf(conversation, id);
    if (role === 'user') transcript.add({ kind: 'user', text: content, version });
    if (role !== 'assistant') continue;
    transcript.add({ kind: 'answer-begin', version });
    transcript.add({ kind: 'answer-text', text: content });
    if (origin) transcript.add({ kind: 'answer-end', origin, version });
  }
}
