/** Targets of measurements, and their rows of figures. The JSON of `percept bench` has these names. */
import type { KvType } from '../backends/backend.ts';
import type { LoadOptions } from '../core/index.ts';

/** One model on one backend. */
export interface SpeedTarget {
  readonly path: string; // of the GGUF file
  readonly backend: string;
  readonly threads?: number; // default: cores this process may use
  readonly kvType?: LoadOptions['kvType'];
}

/** Speeds of several runs, in tokens a second. */
export interface Speed {
  readonly tok_s: number; // mean
  readonly sd: number;
  readonly median: number;
  readonly samples: readonly number[];
}

/** One test of one target, beside at most one peer. */
export interface SpeedRow extends Speed {
  readonly model: string; // name of its file, without the type
  readonly type: string; // Q4_K_M
  readonly backend: string;
  readonly threads: number;
  readonly kv_type: KvType;
  readonly test: string; // pp512, tg128, tg128x8
  readonly depth: number;
  readonly bytes_per_token: number; // weights and cache read
  readonly memory_roof_share: number | null; // of the median; null if the backend has no roofs
  readonly multiply_roof_share: number | null;
  readonly peer?: { readonly name: string } & Speed;
  readonly ratio?: number; // median of the ratios of paired runs
  readonly ratio_spread?: readonly [least: number, most: number];
}

/** One kernel on one backend. */
export interface KernelRow {
  readonly backend: string;
  readonly threads: number;
  readonly op: string;
  readonly type: string | null;
  readonly shape: string;
  readonly tokens: number;
  readonly ms: number; // of one op, median
  readonly gmac_s: number;
  readonly gb_s: number; // weights, cache and activations, read or written
  readonly memory_roof_share: number | null; // above 1 if they stay in a processor cache
  readonly multiply_roof_share: number | null;
}
