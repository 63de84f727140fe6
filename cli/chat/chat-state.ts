/** The state of a chat, for its frontends. */
import { type Conversation, EMPTY_CONVERSATION } from '../../core/conversation.ts';

export type ChatPhase = 'loading' | 'idle' | 'reading' | 'answering' | 'working';

export interface ChatState {
  readonly phase: ChatPhase;
  readonly loading?: LoadingProgress;
  readonly model?: ModelFacts; // absent until one is loaded
  readonly conversation: Conversation;
  readonly session?: { readonly id: string; readonly title?: string }; // as stored on disk
  /** Progress through the prompt. */
  readonly reading?: Reading;
  /** Speed of the present answer, or of the last one. */
  readonly speed?: Speed;
  readonly contextUsed: number; // tokens
  readonly queued: readonly Queued[]; // oldest first
}

/** A line that waits until nothing else runs. */
export interface Queued {
  readonly text: string;
  /** Runs it, if it is a command. Without it, the line is a message. */
  readonly run?: () => Promise<void>;
}

export interface LoadingProgress {
  readonly stage: string; // "downloading smollm2", "loading weights"
  readonly done?: number; // bytes
  readonly total?: number;
}

export interface ModelFacts {
  readonly reference: string;
  readonly name: string;
  readonly type: string; // Q4_1
  readonly bytes: number;
  readonly backend: string;
  readonly device: string; // "2 threads", or the driver's name for the GPU
  readonly contextLength: number; // tokens
}

export interface Reading {
  readonly done: number; // tokens, including those found in the cache
  readonly total: number;
  readonly tokensPerSecond: number; // 0 before the first measurement
}

export interface Speed {
  readonly tokens: number;
  readonly seconds: number; // since the first of them
  readonly tokensPerSecond: number; // over the last two seconds
  readonly recent: readonly number[]; // one sample every half second, the latest last
}

export const INITIAL_STATE: ChatState = {
  phase: 'loading',
  conversation: EMPTY_CONVERSATION,
  contextUsed: 0,
  queued: [],
};

/** @param ms since reading started */
export function readingOf(done: number, total: number, ms: number): Reading {
  return { done, total, tokensPerSecond: ms > 0 ? (1000 * done) / ms : 0 };
}
