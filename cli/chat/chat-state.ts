/** What a chat is at a moment, for whoever draws it; and the values that change with each token. */
import { type Conversation, EMPTY_CONVERSATION } from '../../core/conversation.ts';
import type { LoadingProgress } from './loaded-model.ts';

export type ChatPhase = 'loading' | 'idle' | 'reading' | 'answering' | 'working';

export interface ChatState {
  readonly phase: ChatPhase;
  readonly loading?: LoadingProgress;
  readonly model?: ModelFacts; // absent until one is loaded
  readonly conversation: Conversation;
  readonly session?: { readonly id: string; readonly title?: string }; // as kept on disk
  /** How far the prompt is read. */
  readonly reading?: Reading;
  /** Of the answer that comes, or of the last one. */
  readonly speed?: Speed;
  readonly contextUsed: number; // tokens
  readonly queued: readonly string[]; // messages to send when it is their turn
}

export interface ModelFacts {
  readonly reference: string;
  readonly name: string;
  readonly type: string; // Q4_1
  readonly bytes: number;
  readonly backend: string;
  readonly device: string; // "2 threads", or what the driver calls it
  readonly contextLength: number; // tokens
}

export interface Reading {
  readonly done: number; // tokens, reused ones included
  readonly total: number;
  readonly tokensPerSecond: number; // 0 while there is nothing to go by
}

export interface Speed {
  readonly tokens: number;
  readonly seconds: number; // since the first of them
  readonly tokensPerSecond: number; // over the last two seconds
  readonly recent: readonly number[]; // a sample each half second, the latest last
}

export const INITIAL_STATE: ChatState = {
  phase: 'loading',
  conversation: EMPTY_CONVERSATION,
  contextUsed: 0,
  queued: [],
};

/** @param ms since the reading began */
export function readingOf(done: number, total: number, ms: number): Reading {
  return { done, total, tokensPerSecond: ms > 0 ? (1000 * done) / ms : 0 };
}
