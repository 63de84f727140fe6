/** Calls of the products: which kernel, how many threads share a row, what happens to the sums. */
import type { GpuArray } from './arrays.ts';
import { type CodedForm, groupBytes, groupRows, paddedCols } from './form.ts';
import type { Binding, KernelCall, Mode, StepSizes } from './kernel-call.ts';
import type { Tuning } from './tuning.ts';
import type { Rounded, View } from './values.ts';
import type { StackLayout, StackPart } from './weights.ts';
import type { Definitions } from './wgsl.ts';

export interface Stack {
  readonly layout: StackLayout;
  readonly parts: readonly StackPart[];
}

export interface Product {
  readonly stack: Stack;
  readonly x: View | Rounded; // rounded for coded weights
  readonly out: View | Rounded; // rounded only of gated products
  readonly bias?: GpuArray; // of all rows of the stack, padding included
  readonly residual?: View;
  readonly gated: boolean;
  readonly rows: 'tokens' | 'outputs';
  readonly paddedRows: number; // that x and out have
}

/** One call a part of the stack. */
export function productCalls(product: Product, mode: Mode, tuning: Tuning): KernelCall[] {
  return product.stack.parts.map((part) => partCall(product, part, mode, tuning));
}

/** Whether products of a mode go through tiles, which leave float32 rows only. */
export function tiled(mode: Mode, { layout }: Stack, tuning: Tuning): boolean {
  return mode === 'long' && tuning.tiles && layout.form.kernel !== 'pairs';
}

/** Rows and tokens of a tile, and its threads. */
const TILE = { rows: 64, tokens: 64, threads: 256 };

function partCall(product: Product, part: StackPart, mode: Mode, tuning: Tuning): KernelCall {
  const { stack, bias, residual, gated, rows } = product;
  const { form, cols } = stack.layout;
  const rounded = 'codes' in product.out;
  const inTiles = tiled(mode, stack, tuning);
  const geometry: Geometry = inTiles
    ? { workgroup: TILE.threads, lanes: 1, meet: 'none' }
    : geometryOf(stack.layout, rounded, tuning);
  const tokens = mode === 'single' ? 1 : tuning.tokens;
  const groups = part.rows / groupRows(form);
  const columns = gated ? part.firstRow / 2 : part.firstRow; // of results, before this part's
  const from = 4 * part.firstRow;
  const bytes = groupBytes(form, cols);
  const each = geometry.workgroup / geometry.lanes; // groups of a workgroup
  return {
    kernel: `matmul-${inTiles ? 'tile-' : ''}${form.kernel}`,
    definitions: {
      ...(form.kernel === 'float' ? { WEIGHTS: form.weights, F16: tuning.f16 } : codedDefinitions(form)),
      TOKENS: tokens,
      ROWS_EACH: groupRows(form),
      LANES_MEET: geometry.meet,
      GATED: gated,
      ROUNDED: rounded,
      RESIDUAL: residual !== undefined,
      BIAS: bias !== undefined,
      PACKED_DOT: form.kernel === 'dot',
    },
    constants: {
      WG: geometry.workgroup,
      LANES: geometry.lanes,
      K: paddedCols(form, cols),
      GROUPS: groups,
      TOKENS_PADDED: product.paddedRows,
      QUADS: part.rows / 4,
      ...outConstants(product.out, stack.layout, columns),
      ...('codes' in product.x ? {} : { X_STRIDE: product.x.stride / 4, X_OFFSET: product.x.offset / 4 }),
      ...(residual && {
        RESIDUAL_STRIDE: residual.stride / 4,
        RESIDUAL_OFFSET: (residual.offset + part.firstRow) / 4,
      }),
    },
    bindings: {
      1: part.codes,
      ...(part.scales && { 2: part.scales }),
      ...('codes' in product.x ? { 3: product.x.codes, 4: product.x.scales } : { 3: product.x.array }),
      ...('codes' in product.out
        ? { 5: product.out.codes, 6: product.out.scales }
        : { 5: product.out.array }),
      ...(residual && { 6: residual.array }),
      ...(bias && { 7: from === 0 ? bias : ({ array: bias, from } satisfies Binding) }),
    },
    grid: (sizes) =>
      inTiles
        ? [Math.ceil(part.rows / TILE.rows), Math.ceil(countOf(sizes, rows) / TILE.tokens), 1]
        : [Math.ceil(groups / each), Math.ceil(countOf(sizes, rows) / tokens), 1],
    work: (sizes) => ({
      bytes: groups * (bytes.codes + bytes.scales) + countOf(sizes, rows) * (cols + 4 * part.rows),
      macs: countOf(sizes, rows) * part.rows * cols,
    }),
  };
}

export function countOf({ tokens, outputs }: StepSizes, rows: 'tokens' | 'outputs'): number {
  return rows === 'tokens' ? tokens : outputs;
}

function codedDefinitions({ planes, scales }: CodedForm): Definitions {
  return { PLANES: planes, SCALES: scales, HALVES: scales === 'g16' ? 2 : 1 };
}

function outConstants(out: View | Rounded, { rows }: StackLayout, columns: number): Record<string, number> {
  if ('codes' in out) return { OUT_STRIDE: rows / 2, OUT_OFFSET: columns };
  return { OUT_STRIDE: out.stride / 4, OUT_OFFSET: (out.offset + columns) / 4 };
}

interface Geometry {
  readonly workgroup: number;
  readonly lanes: number;
  readonly meet: 'none' | 'subgroup' | 'memory';
}

/** Threads that work alone come in small workgroups, so that every core of the processor has some. */
const ALONE = 8;

function geometryOf({ form, cols }: StackLayout, rounded: boolean, tuning: Tuning): Geometry {
  const units = form.kernel === 'float' ? cols / 4 : cols / 32; // that lanes can share
  const lanes = Math.min(tuning.lanes, 2 ** Math.ceil(Math.log2(Math.max(1, units))));
  const groups = rounded ? 64 / groupRows(form) : 1; // that make whole blocks of 32 gated results
  const least = tuning.lanes === 1 ? ALONE : tuning.workgroup;
  const workgroup = Math.max(least, groups * lanes);
  const meet = lanes === 1 ? 'none' : tuning.subgroupSize >= lanes ? 'subgroup' : 'memory';
  return { workgroup, lanes, meet };
}
