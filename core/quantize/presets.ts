/**
 * Types of tensors in a file of mixed types: the choices of llama-quantize (llama.cpp src/llama-quant.cpp,
 * llama_tensor_get_type_impl and tensor_type_fallback).
 */
import type { TensorType } from '../../kernels/quant-formats.ts';
import { optionalNumber, requireString } from '../gguf/metadata.ts';
import type { Gguf, GgufTensor } from '../gguf/types.ts';
import { fitsType, isQuantizable } from './tensor-rules.ts';

interface Preset {
  readonly fileType: number; // general.file_type
  readonly type: TensorType; // of most tensors
}

/** File types by the names that files have. */
export const PRESETS = {
  F32: { fileType: 0, type: 'F32' },
  F16: { fileType: 1, type: 'F16' },
  Q4_0: { fileType: 2, type: 'Q4_0' },
  Q4_1: { fileType: 3, type: 'Q4_1' },
  Q8_0: { fileType: 7, type: 'Q8_0' },
  Q5_0: { fileType: 8, type: 'Q5_0' },
  Q5_1: { fileType: 9, type: 'Q5_1' },
  Q4_K_S: { fileType: 14, type: 'Q4_K' },
  Q4_K_M: { fileType: 15, type: 'Q4_K' },
  Q5_K_S: { fileType: 16, type: 'Q5_K' },
  Q5_K_M: { fileType: 17, type: 'Q5_K' },
  Q6_K: { fileType: 18, type: 'Q6_K' },
  BF16: { fileType: 32, type: 'BF16' },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

/** Q4_K and Q5_K name their mixed forms. */
export function presetOf(name: string): PresetName | undefined {
  const known = name.toUpperCase();
  if (known === 'Q4_K' || known === 'Q5_K') return `${known}_M`;
  return Object.hasOwn(PRESETS, known) ? (known as PresetName) : undefined;
}

export interface ChosenTypes {
  readonly types: ReadonlyMap<string, TensorType>; // by name
  readonly replaced: readonly string[]; // tensors whose rows are no whole blocks of the wanted type
}

/** The type of each tensor. */
export function chooseTypes(gguf: Gguf, name: PresetName): ChosenTypes {
  const choice = new Choice(gguf, name);
  const types = new Map<string, TensorType>();
  for (const tensor of gguf.tensors.values()) {
    types.set(tensor.name, isQuantizable(tensor) ? choice.typeOf(tensor) : tensor.type);
  }
  return { types, replaced: choice.replaced };
}

/** Smaller blocks for rows that are no whole blocks of a type. */
const FALLBACKS: Partial<Record<TensorType, TensorType>> = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

class Choice {
  readonly replaced: string[] = [];
  readonly #name: PresetName;
  readonly #architecture: string;
  readonly #experts: number;
  readonly #tied: boolean;
  readonly #values: readonly string[]; // names of the matrices of values, in order
  readonly #downs: readonly string[];

  constructor({ metadata, tensors }: Gguf, name: PresetName) {
    this.#name = name;
    this.#architecture = requireString(metadata, 'general.architecture');
    this.#experts = optionalNumber(metadata, `${this.#architecture}.expert_count`) ?? 0;
    this.#tied = !tensors.has('output.weight');
    const named = (pattern: RegExp) =>
      [...tensors.keys()].filter((each) => pattern.test(each)).sort((a, b) => blockOf(a) - blockOf(b));
    this.#values = named(/attn_(?:v|qkv|kv_b)\.weight$/);
    this.#downs = named(/ffn_down(?:_exps)?\.weight$/);
  }

  typeOf(tensor: GgufTensor): TensorType {
    const wanted = this.#wanted(tensor);
    if (fitsType(tensor, wanted)) return wanted;
    this.replaced.push(tensor.name);
    const smaller = FALLBACKS[wanted];
    return smaller && fitsType(tensor, smaller) ? smaller : 'F16';
  }

  #wanted(tensor: GgufTensor): TensorType {
    const { type } = PRESETS[this.#name];
    const { name } = tensor;
    if (['F32', 'F16', 'BF16'].includes(type)) return type;
    if (name === 'output.weight' || (this.#tied && name === 'token_embd.weight')) {
      return !fitsType(tensor, type) || type === 'Q8_0' ? 'Q8_0' : 'Q6_K';
    }
    if (/attn_v\.weight$/.test(name)) return this.#ofValues(name, type);
    if (/attn_k\.weight$/.test(name)) return this.#experts === 8 ? 'Q8_0' : type;
    if (/attn_qkv\.weight$/.test(name)) return this.#ofFused(type);
    if (/ffn_down(?:_exps)?\.weight$/.test(name)) return this.#ofDown(name, type);
    if (/attn_output\.weight$/.test(name) && this.#experts === 8 && /^Q4_K/.test(this.#name)) return 'Q5_K';
    return type;
  }

  #ofValues(name: string, type: TensorType): TensorType {
    if (this.#experts === 8) return 'Q8_0';
    const [i, count] = [this.#values.indexOf(name), this.#values.length];
    if (/_K_M$/.test(this.#name) && usesMoreBits(i, count)) return 'Q6_K';
    return this.#name === 'Q4_K_S' && i < 4 ? 'Q5_K' : type;
  }

  #ofFused(type: TensorType): TensorType {
    if (this.#name === 'Q4_K_M') return 'Q5_K';
    return this.#name === 'Q5_K_M' ? 'Q6_K' : type;
  }

  #ofDown(name: string, type: TensorType): TensorType {
    const count = this.#downs.length;
    const i = this.#experts > 1 ? blockOf(name) : this.#downs.indexOf(name);
    if (/_K_M$/.test(this.#name) && usesMoreBits(i, count)) return 'Q6_K';
    return this.#name === 'Q4_K_S' && i < Math.trunc(count / 8) ? 'Q5_K' : type;
  }
}

/** The first and the last eighth of the layers, and every third between. */
function usesMoreBits(i: number, layers: number): boolean {
  const eighth = Math.trunc(layers / 8);
  return i < eighth || i >= Math.trunc((7 * layers) / 8) || (i - eighth) % 3 === 2;
}

function blockOf(name: string): number {
  return Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
}
