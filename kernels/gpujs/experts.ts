/**
 * Products with the matrices of the picked experts, whose rows lie one matrix after the other:
 * out[t][i * N + n] = sum over k of x[t][k] * weight[picks[t][i] * N + n][k], then + bias; or of a part of x for each i.
 * And the sum of the parts, times the weights of their experts.
 */
import type { KernelSource } from './kernel-source.ts';
import { type IntegerLiteral, products } from './matmul.ts';
import { blockLayout, GROUP, type PackedBlock, packedLength } from './packed-block.ts';

export interface ExpertShape {
  readonly block: PackedBlock;
  readonly experts: number;
  readonly rows: number; // N, of the matrix of an expert
  readonly cols: number; // K
  readonly parts: number; // of x: 1, or one for each pick
  readonly picked: boolean; // else every matrix once
  readonly bias: boolean;
}

/** x is read as one list, as in matmul.ts. */
export function expertMatmul(shape: ExpertShape, integer: IntegerLiteral): KernelSource {
  const { block, experts, rows: N, cols: K, parts, picked, bias } = shape;
  const size = packedLength(block, experts * N, K);
  const group = size / Math.ceil((experts * N) / GROUP);
  const integers = ['at', 'k', 'row', 'word0'];
  const text = `function (x, item${picked ? ', picks' : ''}) {
    ${integers.map((name) => `let ${name} = ${integer}; ${name}++;`).join(' ')}
    let sum0 = 0;
    const part = Math.floor((this.thread.x + 0.5) / ${N});
    row = ${picked ? `picks[this.thread.y][part] * ${N} + this.thread.x - part * ${N}` : 'this.thread.x'};
    at = item * ${size} + (row >> ${Math.log2(GROUP)}) * ${group};
    at += row & ${GROUP - 1};
    k = this.thread.y * ${parts * K}${parts > 1 ? ` + part * ${K}` : ''};
    ${products([{ id: 0, offset: 0 }], K, blockLayout(block))}
    return sum0${bias ? ' + this.constants.bias[item][row]' : ''};
  }`;
  return { name: 'expert-matmul', text, args: ['Array', 'Integer', ...(picked ? ['Array' as const] : [])] };
}

/** @param count of picks */
export function mixExperts(count: number, cols: number): KernelSource {
  const terms = Array.from({ length: count }, (_, i) => {
    return `picks[this.thread.y][${count + i}] * x[this.thread.y][this.thread.x + ${i * cols}]`;
  });
  const text = `function (x, picks) { return ${terms.join(' + ')}; }`;
  return { name: 'mix', text, args: ['Array', 'Array'] };
}
