import type { Backend, Executable } from '../backends/backend.ts';
import type { ModelConfig } from './config.ts';
import type { Gguf } from './gguf.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface LoadOptions {
  readonly backend?: string; // 'auto' (default), 'cpu', 'reference'
  readonly threads?: number; // default: cores this process may use
  readonly contextLength?: number; // positions a sequence; default: the model's own, bounded by memory
  readonly sequences?: number; // default 1
  readonly maxTokens?: number; // most tokens in one step, default 512
}

/** A model ready to run: weights with the backend, program compiled. */
export interface Model {
  readonly path: string;
  readonly name: string; // general.name, or the file's base name
  readonly gguf: Gguf;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly executable: Executable;
  readonly contextLength: number;
  readonly sequences: number;
  readonly maxTokens: number;
  readonly loadMs: number;
  dispose(): Promise<void>;
}
