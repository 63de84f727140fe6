/**
 * y = x W^T: out[t][n] = sum over k of x[t][k] * weight[n][k], then + bias[n], + residual[t][n]; gated:
 * out[t][n] = fn(sum with weight 0) * sum with weight 1.
 *
 * One cell is one number of the result. A stack holds the weights of all layers of the same shape, so that one kernel
 * serves them; `item` is the index in the stack. x is read as one list, [T * K]: indexing it by row and column would
 * cost half the speed in mode cpu.
 */
import type { MapFunction } from '../reference/map.ts';
import type { KernelSource } from './kernel-source.ts';
import { gated } from './map.ts';
import {
  type BlockLayout,
  blockLayout,
  codeOf,
  GROUP,
  type PackedBlock,
  packedLength,
} from './packed-block.ts';

export interface MatmulShape {
  readonly block: PackedBlock;
  readonly rows: number; // N
  readonly cols: number; // K
  readonly gate?: MapFunction; // an item is two matrices, gate and up
  readonly bias: boolean;
  readonly residual: boolean;
}

/**
 * Initial value that makes a local variable an integer. gpu.js infers an integer only if the first value is a literal
 * and the variable is incremented somewhere. For WebAssembly, which gpu.js translates twice, that literal must not be a
 * number. Any other local is a float32: converted at each use as an index, and inexact beyond 2^24.
 */
export type IntegerLiteral = '0' | 'this.output.x';

/** One matrix of an item. */
export interface Matrix {
  readonly id: number; // suffix of the names of its variables
  readonly offset: number; // floats from the item's start
}

export function matmul(shape: MatmulShape, integer: IntegerLiteral): KernelSource {
  const layout = blockLayout(shape.block);
  const size = packedLength(shape.block, shape.rows, shape.cols);
  const group = size / Math.ceil(shape.rows / GROUP);
  const matrices = Array.from({ length: shape.gate ? 2 : 1 }, (_, id): Matrix => ({ id, offset: id * size }));
  const integers = ['at', 'k', ...matrices.map(({ id }) => `word${id}`)];
  const text = `function (x, item${shape.residual ? ', residual' : ''}) {
    ${integers.map((name) => `let ${name} = ${integer}; ${name}++;`).join(' ')}
    ${each(matrices, ({ id }) => `let sum${id} = 0;`)}
    at = item * ${matrices.length * size} + (this.thread.x >> ${Math.log2(GROUP)}) * ${group};
    at += this.thread.x & ${GROUP - 1};
    k = this.thread.y * ${shape.cols};
    ${products(matrices, shape.cols, layout)}
    return ${result(shape)};
  }`;
  return { name: 'matmul', text, args: ['Array', 'Integer', ...(shape.residual ? ['Array' as const] : [])] };
}

/** Adds x[k..] * weights[at..] to the sums, for `cols` numbers of x; changes k and at. */
export function products(matrices: readonly Matrix[], cols: number, layout: BlockLayout): string {
  return layout.bits === 0 ? floatLoop(matrices, cols) : codeLoop(matrices, cols, layout);
}

function floatLoop(matrices: readonly Matrix[], cols: number): string {
  return `for (let i = 0; i < ${cols}; i++) {
      const value = x[k];
      ${each(matrices, ({ id, offset }) => `sum${id} += value * this.constants.weights[at + ${offset}];`)}
      at += ${GROUP};
      k += 1;
    }`;
}

/** The weights of a block share a scale, so it is multiplied once. A minimum is multiplied by the sum of the x. */
function codeLoop(matrices: readonly Matrix[], cols: number, layout: BlockLayout): string {
  const { header, minimum, perWord, fullWords, rest } = layout;
  const begin = each(matrices, ({ id, offset }) => {
    const least = minimum ? `const least${id} = this.constants.weights[at + ${GROUP + offset}];` : '';
    return `let dot${id} = 0; const scale${id} = this.constants.weights[at + ${offset}]; ${least}`;
  });
  const end = each(matrices, ({ id }) => {
    return `sum${id} += dot${id} * scale${id}${minimum ? ` + total * least${id}` : ''};`;
  });
  return `for (let b = 0; b < ${cols / layout.weights}; b++) {
      ${begin} ${minimum ? 'let total = 0;' : ''}
      at += ${header * GROUP};
      for (let j = 0; j < ${fullWords}; j++) {
        ${word(matrices, layout, perWord, 'x')}
      }
      ${rest > 0 ? word(matrices, layout, rest, 'last') : ''}
      ${end}
    }`;
}

/** Reads the next word of each matrix and multiplies the next `count` numbers of x with its codes. */
function word(matrices: readonly Matrix[], block: PackedBlock, count: number, prefix: string): string {
  const loads = each(matrices, ({ id, offset }) => `word${id} = this.constants.weights[at + ${offset}];`);
  const products = Array.from({ length: count }, (_, i) => {
    const code = (id: number) => codeOf(block, `word${id}`, block.bits * i);
    return `const ${prefix}${i} = x[k]; k += 1; ${block.minimum ? `total += ${prefix}${i};` : ''}
        ${each(matrices, ({ id }) => `dot${id} += ${prefix}${i} * ${code(id)};`)}`;
  });
  return `${loads} at += ${GROUP};
        ${products.join('\n        ')}`;
}

function result({ gate, bias, residual }: MatmulShape): string {
  const sum = gate ? gated(gate) : 'sum0';
  const biased = bias ? `${sum} + this.constants.bias[item][this.thread.x]` : sum;
  return residual ? `${biased} + residual[this.thread.y][this.thread.x]` : biased;
}

function each(matrices: readonly Matrix[], line: (matrix: Matrix) => string): string {
  return matrices.map(line).join(' ');
}
