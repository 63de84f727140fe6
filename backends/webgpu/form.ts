/** The form in which kernels read matrices of each tensor type. */

import type { TensorType } from '../../kernels/quant-formats.ts';
import { DEQUANTIZED_TYPES } from '../../kernels/reference/dequantize.ts';

export type Form = FloatForm | CodedForm;

/** matmul-float.wgsl */
export interface FloatForm {
  readonly kernel: 'float';
  readonly weights: 'f32' | 'f16';
}

/** matmul-pairs.wgsl or matmul-dot.wgsl */
export interface CodedForm {
  readonly kernel: 'pairs' | 'dot';
  readonly planes: 1 | 2; // codes of 4 or 8 bits
  /**
   * d    a float16 scale for each block of 32
   * dm   a float16 scale and a float16 minimum for each block of 32
   * k    scales and minimums of superblocks and of blocks, as in Q4_K
   * g16  a float32 scale and minimum for every 16 weights; types without a native form are unpacked to it
   */
  readonly scales: 'd' | 'dm' | 'k' | 'g16';
}

const NATIVE: Partial<Record<TensorType, Pick<CodedForm, 'planes' | 'scales'>>> = {
  Q4_0: { planes: 1, scales: 'd' },
  Q4_1: { planes: 1, scales: 'dm' },
  Q4_K: { planes: 1, scales: 'k' },
  Q8_0: { planes: 2, scales: 'd' },
};

/** Supported types of matrices. */
export const MATRIX_TYPES = DEQUANTIZED_TYPES;

export function formOf(type: TensorType, packedDot: boolean): Form {
  if (type === 'F16') return { kernel: 'float', weights: 'f16' };
  if (type === 'F32' || type === 'BF16') return { kernel: 'float', weights: 'f32' };
  const { planes, scales } = NATIVE[type] ?? { planes: 2, scales: 'g16' };
  return { kernel: packedDot ? 'dot' : 'pairs', planes, scales };
}

/** Rows of a group, which are stored together and computed by one thread. */
export function groupRows({ kernel }: Form): number {
  return kernel === 'pairs' ? 8 : 4;
}

/** Stored weights of a row: rows of floats are padded, because they are read four at a time. */
export function paddedCols({ kernel }: Form, cols: number): number {
  return kernel === 'float' ? 4 * Math.ceil(cols / 4) : cols;
}

/** Bytes of the codes (or float weights) and of the scales of one group of rows. */
export function groupBytes(form: Form, cols: number): { codes: number; scales: number } {
  const rows = groupRows(form);
  const K = paddedCols(form, cols);
  if (form.kernel === 'float') return { codes: rows * K * (form.weights === 'f32' ? 4 : 2), scales: 0 };
  const each = { d: 2, dm: 4, k: 2.5, g16: 16 }[form.scales]; // of 32 weights of a row
  return { codes: (rows * K * form.planes) / 2, scales: (rows * K * each) / 32 };
}
