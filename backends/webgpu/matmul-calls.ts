/** Calls of the products: the kernel, the number of threads that share a row, and the epilogue. */
import type { MapFunction } from '../../kernels/reference/map.ts';
import type { GpuArray } from './arrays.ts';
import { type CodedForm, groupBytes, groupRows, paddedCols } from './form.ts';
import type { KernelCall, Mode, StepSizes } from './kernel-call.ts';
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
  readonly out: View | Rounded; // rounded for gated products only
  readonly bias?: GpuArray; // of all rows of the stack, padding included
  readonly residual?: View;
  readonly gate?: MapFunction;
  readonly rows: 'tokens' | 'outputs';
  readonly paddedRows: number; // of x and out
}

/** One call for each part of the stack. */
export function productCalls(product: Product, mode: Mode, tuning: Tuning): KernelCall[] {
  return product.stack.parts.map((part) => partCall(product, part, mode, tuning));
}

/** Whether products of a mode use tiles, which write float32 rows only. */
export function tiled(mode: Mode, { layout }: Stack, tuning: Tuning): boolean {
  return mode === 'long' && tuning.tiles && layout.form.kernel !== 'pairs';
}

/** Rows and tokens of a tile, and its threads. */
const TILE = { rows: 64, tokens: 64, threads: 256 };
const TILE_GEOMETRY: Geometry = { workgroup: TILE.threads, lanes: 1, meet: 'none' };

function partCall(product: Product, part: StackPart, mode: Mode, tuning: Tuning): KernelCall {
  const { stack, rows } = product;
  const { form, cols } = stack.layout;
  const inTiles = tiled(mode, stack, tuning);
  const geometry = inTiles ? TILE_GEOMETRY : geometryOf(stack.layout, 'codes' in product.out, tuning);
  const tokens = mode === 'single' || mode === 'traced' ? 1 : tuning.tokens;
  const bytes = groupBytes(form, cols);
  const groups = part.rows / groupRows(form);
  const each = geometry.workgroup / geometry.lanes; // groups of a workgroup
  return {
    kernel: `matmul-${inTiles ? 'tile-' : ''}${form.kernel}`,
    definitions: {
      ...(form.kernel === 'float' ? { WEIGHTS: form.weights, F16: tuning.f16 } : codedDefinitions(form)),
      ...outputDefinitions(product),
      TOKENS: tokens,
      ROWS_EACH: groupRows(form),
      LANES_MEET: geometry.meet,
    },
    constants: {
      WG: geometry.workgroup,
      LANES: geometry.lanes,
      K: paddedCols(form, cols),
      GROUPS: groups,
      TOKENS_PADDED: product.paddedRows,
      ...inputConstants(product.x),
      ...outputConstants(product, part),
    },
    bindings: bindingsOf(product, part),
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

function outputDefinitions({ stack, out, gate, residual, bias }: Product): Definitions {
  return {
    GATED: gate !== undefined,
    ...(gate && { FN: gate }),
    ROUNDED: 'codes' in out,
    RESIDUAL: residual !== undefined,
    BIAS: bias !== undefined,
    PACKED_DOT: stack.layout.form.kernel === 'dot',
  };
}

function inputConstants(x: View | Rounded): Record<string, number> {
  return 'codes' in x ? {} : { X_STRIDE: x.stride / 4, X_OFFSET: x.offset / 4 };
}

/** Strides and offsets are in vec4s, for rounded results in numbers. */
function outputConstants({ stack, out, gate, residual }: Product, part: StackPart): Record<string, number> {
  const columns = gate ? part.firstRow / 2 : part.firstRow; // of results, before this part's
  const place =
    'codes' in out
      ? { OUT_STRIDE: stack.layout.rows / 2, OUT_OFFSET: columns }
      : { OUT_STRIDE: out.stride / 4, OUT_OFFSET: (out.offset + columns) / 4 };
  if (!residual) return { QUADS: part.rows / 4, ...place };
  const added = {
    RESIDUAL_STRIDE: residual.stride / 4,
    RESIDUAL_OFFSET: (residual.offset + part.firstRow) / 4,
  };
  return { QUADS: part.rows / 4, ...place, ...added };
}

function bindingsOf({ x, out, residual, bias }: Product, part: StackPart): KernelCall['bindings'] {
  const from = 4 * part.firstRow; // bytes of biases before this part's
  return {
    1: part.codes,
    2: part.scales,
    ...('codes' in x ? { 3: x.codes, 4: x.scales } : { 3: x.array }),
    ...('codes' in out ? { 5: out.codes, 6: out.scales } : { 5: out.array }),
    ...(residual && { 6: residual.array }),
    ...(bias && { 7: { array: bias, from } }),
  };
}

export function countOf({ tokens, outputs }: StepSizes, rows: 'tokens' | 'outputs'): number {
  return rows === 'tokens' ? tokens : outputs;
}

function codedDefinitions({ planes, scales }: CodedForm): Definitions {
  return { PLANES: planes, SCALES: scales, HALVES: scales === 'g16' ? 2 : 1 };
}

interface Geometry {
  readonly workgroup: number;
  readonly lanes: number;
  readonly meet: 'none' | 'subgroup' | 'memory';
}

/** Threads of a workgroup if they do not share rows: few, so that every core of the processor has workgroups. */
const ALONE = 8;

function geometryOf({ form, cols }: StackLayout, rounded: boolean, tuning: Tuning): Geometry {
  const units = form.kernel === 'float' ? cols / 4 : cols / 32; // of a row, which lanes can share
  const lanes = Math.min(tuning.lanes, 2 ** Math.ceil(Math.log2(Math.max(1, units))));
  const groups = rounded ? 64 / groupRows(form) : 1; // for whole blocks of 32 gated results
  const least = tuning.lanes === 1 ? ALONE : tuning.workgroup;
  const workgroup = Math.max(least, groups * lanes);
  const meet = lanes === 1 ? 'none' : tuning.subgroupSize >= lanes ? 'subgroup' : 'memory';
  return { workgroup, lanes, meet };
}
