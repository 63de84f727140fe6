/** Quantizes the weights of a model while it is loaded: its tensors become expressions that convert them. */
import { UserError } from '../../errors.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { QUANTIZED_TYPES } from '../../kernels/reference/quantize.ts';
import type { Gguf, GgufTensor } from '../gguf/types.ts';
import { fitsType, isFloat, isQuantizable } from './tensor-rules.ts';

/** Types that `quantizedOnLoad` makes. */
export const ON_LOAD_TYPES: readonly TensorType[] = QUANTIZED_TYPES;

/**
 * The model with its float matrices as another type; others stay as they are, and so do matrices whose rows are no whole
 * blocks of it.
 */
export function quantizedOnLoad(gguf: Gguf, type: string): Gguf {
  const wanted = ON_LOAD_TYPES.find((known) => known === type);
  if (!wanted) {
    throw new UserError(
      `Expected one of ${ON_LOAD_TYPES.join(', ')} to quantize to, got ${type}.`,
      'For other types, write a file with percept quantize.',
      { kind: 'usage' },
    );
  }
  const tensors = [...gguf.tensors].map(([name, tensor]) => {
    const changes = isFloat(tensor.type) && isQuantizable(tensor) && fitsType(tensor, wanted);
    return [name, changes ? convertedTo(tensor, wanted, gguf.path) : tensor] as const;
  });
  return { ...gguf, tensors: new Map(tensors) };
}

function convertedTo(tensor: GgufTensor, type: TensorType, path: string): GgufTensor {
  const { shape, offset, part = path } = tensor;
  const cols = shape[0]!;
  const rows = shape.slice(1).reduce((product, size) => product * size, 1);
  const of = tensor.source ?? {
    ...({ op: 'range', at: { path: part, offset }, type: tensor.type, rows, cols } as const),
  };
  return { ...tensor, type, bytes: rows * rowBytes(type, cols), source: { op: 'convert', of, type } };
}
