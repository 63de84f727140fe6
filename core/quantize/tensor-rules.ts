/** Which tensors of a model are quantized: matrices that products read (llama.cpp src/llama-quant.cpp). */
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import type { GgufTensor } from '../gguf/types.ts';

/** Matrices that stay as they are: routers, positions, convolutions, and what is added to a layer's input. */
const PRECISE =
  /_norm|ffn_gate_inp|altup|laurel|per_layer_model_proj|position_embd|token_types|ssm_conv1d|shortconv\.conv|time_mix|attn_rel_b|\.scale$/;

/** Whether a tensor may have another type at all. */
export function isQuantizable({ name, shape }: Pick<GgufTensor, 'name' | 'shape'>): boolean {
  const dimensions = shape.filter((size, i) => i < 2 || size > 1).length;
  return dimensions >= 2 && name.endsWith('weight') && !PRECISE.test(name);
}

/** Whether rows of the tensor are whole blocks of the type. */
export function fitsType({ shape }: Pick<GgufTensor, 'shape'>, type: TensorType): boolean {
  return shape[0]! % QUANT_FORMATS[type].elements === 0;
}

/** Whether weights are stored as they were trained. */
export function isFloat(type: TensorType): boolean {
  return QUANT_FORMATS[type].elements === 1;
}
