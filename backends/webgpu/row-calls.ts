/** Calls of kernels that work row by row: embed, select, norm, softmax, rounding, rope, conv, scan and elementwise ops. */
import type { MapFunction } from '../../kernels/reference/map.ts';
import type { ZipFunction } from '../../kernels/reference/zip.ts';
import type { RopeSpec, ScanOp } from '../backend.ts';
import type { ScanSizes } from '../ops.ts';
import type { GpuArray } from './arrays.ts';
import { type Form, paddedCols } from './form.ts';
import type { KernelCall, StepSizes, Work } from './kernel-call.ts';
import { countOf, type Stack } from './matmul-calls.ts';
import type { Tuning } from './tuning.ts';
import { padded, type Rounded, type RowKind, type View } from './values.ts';
import { ROW_UNIT } from './weights.ts';
import type { Definitions } from './wgsl.ts';

/** Parameters that all calls of a phase share. */
export interface Context {
  readonly tuning: Tuning;
  readonly step: GpuArray;
  readonly stepConstants: Readonly<Record<string, number>>;
  readonly kind: RowKind; // of the rows it works on
}

/** One call for each part of the table. It writes the tokens whose rows are in that part. */
export function embedCalls(
  { layout, parts }: Stack,
  by: 'token' | 'position',
  out: View,
  context: Context,
): KernelCall[] {
  const { form, cols } = layout;
  const K = paddedCols(form, cols);
  const { step, stepConstants, tuning } = context;
  return parts.map((part) => ({
    kernel: 'embed',
    definitions: { BY: by, ...formDefinitions(form) },
    constants: {
      ...stepConstants,
      WG: tuning.workgroup,
      K,
      FIRST_ROW: part.firstRow,
      PART_ROWS: part.rows,
      OUT_STRIDE: out.stride / 4,
      OUT_OFFSET: out.offset / 4,
    },
    bindings: { 0: step, 1: part.codes, ...(part.scales && { 2: part.scales }), 3: out.array },
    grid: ({ tokens }) => [Math.ceil(K / 4 / tuning.workgroup), tokens, 1],
    work: ({ tokens }) => ({ bytes: 8 * tokens * cols, macs: 0 }),
  }));
}

/** What weights-at.wgsl must know of a form. */
export function formDefinitions(form: Form): Definitions {
  if (form.kernel === 'float') return { FORM: 'float', WEIGHTS: form.weights };
  return { FORM: form.kernel, PLANES: form.planes, SCALES: form.scales };
}

export function selectCall(x: View, out: View, cols: number, context: Context): KernelCall {
  const { step, stepConstants } = context;
  return {
    kernel: 'select',
    definitions: {},
    constants: { ...stepConstants, ...numberByNumber(context, cols, { X: x, OUT: out }) },
    bindings: { 0: step, 1: x.array, 3: out.array },
    grid: ({ outputs }) => [workgroupsOf(context, cols), outputs, 1],
    work: ({ outputs }) => ({ bytes: 8 * outputs * cols, macs: 0 }),
  };
}

interface Norm {
  readonly x: View;
  readonly weight: GpuArray;
  readonly out: View;
  readonly cols: number;
  readonly eps: number;
  readonly heads?: number; // default 1
  readonly own?: boolean; // heads have weights of their own
}

export function normCall(norm: Norm, context: Context): KernelCall {
  const { x, weight, out, cols, eps, heads = 1, own = false } = norm;
  if (heads > 1) return headNormCall({ x, weight, out, cols, eps, heads, own }, context);
  return {
    kernel: 'rms-norm',
    definitions: { SUBGROUPS: context.tuning.subgroupSize > 0 },
    constants: { WG: context.tuning.workgroup, COLS: cols, EPS: eps, ...strides({ X: x, OUT: out }) },
    bindings: { 1: x.array, 2: weight, 3: out.array },
    ...rowByRow(context, cols, 2),
  };
}

function headNormCall(norm: Required<Norm>, context: Context): KernelCall {
  const { x, weight, out, cols, eps, heads, own } = norm;
  const { kind, tuning } = context;
  return {
    kernel: 'rms-norm-heads',
    definitions: { SUBGROUPS: tuning.subgroupSize > 0 },
    constants: {
      ...{ WG: tuning.workgroup, COLS: cols / heads, HEADS: heads, EPS: eps },
      WEIGHT_STEP: own ? cols / heads : 0,
      ...strides({ X: x, OUT: out }),
    },
    bindings: { 1: x.array, 2: weight, 3: out.array },
    grid: (sizes) => [heads, countOf(sizes, kind), 1],
    work: workOf(kind, cols, 2),
  };
}

export function softmaxCall(x: View, out: View, cols: number, context: Context): KernelCall {
  return {
    kernel: 'softmax',
    definitions: { SUBGROUPS: context.tuning.subgroupSize > 0 },
    constants: { WG: context.tuning.workgroup, COLS: cols, ...strides({ X: x, OUT: out }) },
    bindings: { 1: x.array, 3: out.array },
    ...rowByRow(context, cols, 2),
  };
}

interface LayerNorm extends Omit<Norm, 'heads' | 'own'> {
  readonly bias: GpuArray | undefined;
}

export function layerNormCall({ x, weight, bias, out, cols, eps }: LayerNorm, context: Context): KernelCall {
  return {
    kernel: 'layer-norm',
    definitions: { SUBGROUPS: context.tuning.subgroupSize > 0, BIAS: bias !== undefined },
    constants: { WG: context.tuning.workgroup, COLS: cols, EPS: eps, ...strides({ X: x, OUT: out }) },
    bindings: { 1: x.array, 2: weight, 3: out.array, ...(bias && { 4: bias }) },
    ...rowByRow(context, cols, 2),
  };
}

interface Preparation {
  readonly x: View;
  readonly weight?: GpuArray; // of the norm, if any
  readonly eps?: number;
  readonly out: Rounded;
  readonly cols: number;
}

export function prepareCall({ x, weight, eps, out, cols }: Preparation, context: Context): KernelCall {
  const { tuning } = context;
  return {
    kernel: 'prepare',
    definitions: {
      NORM: weight !== undefined,
      SUBGROUPS: weight !== undefined && tuning.subgroupSize > 0,
      PACKED_DOT: tuning.packedDot,
    },
    constants: {
      WG: tuning.workgroup,
      COLS: cols,
      X_STRIDE: x.stride / 4,
      X_OFFSET: x.offset / 4,
      ...(weight && { EPS: eps! }),
    },
    bindings: { 1: x.array, ...(weight && { 2: weight }), 3: out.codes, 4: out.scales },
    ...rowByRow(context, cols, 1.25),
  };
}

interface Rotation {
  readonly x: View;
  readonly out: View;
  readonly heads: number;
  readonly cols: number;
  readonly spec: RopeSpec;
  readonly angles: GpuArray;
}

export function ropeCall({ x, out, heads, cols, spec, angles }: Rotation, context: Context): KernelCall {
  const { step, stepConstants, tuning, kind } = context;
  return {
    kernel: 'rope',
    definitions: { ROPE: spec.layout },
    constants: {
      ...stepConstants,
      WG: tuning.workgroup,
      HEADS: heads,
      D: cols / heads,
      PAIRS: spec.inverseFrequencies.length,
      X_STRIDE: x.stride,
      X_OFFSET: x.offset,
      OUT_STRIDE: out.stride,
      OUT_OFFSET: out.offset,
    },
    bindings: { 0: step, 1: x.array, 2: angles, 3: out.array },
    grid: (sizes) => [Math.ceil(cols / tuning.workgroup), countOf(sizes, kind), 1],
    work: workOf(kind, cols, 2),
  };
}

interface Mapping {
  readonly fn: MapFunction;
  readonly x: View;
  readonly scalars: readonly GpuArray[];
  readonly out: View;
}

export function mapCall({ fn, x, scalars, out }: Mapping, cols: number, context: Context): KernelCall {
  return {
    kernel: 'map',
    definitions: { FN: fn, GATED: false, SCALARS: scalars.length },
    constants: numberByNumber(context, cols, { X: x, OUT: out }),
    bindings: {
      1: x.array,
      3: out.array,
      ...Object.fromEntries(scalars.map((scalar, i) => [40 + i, scalar])),
    },
    ...overNumbers(context, cols, 2),
  };
}

interface Gating {
  readonly fn: MapFunction;
  readonly a: View;
  readonly b: View;
  readonly out: View;
}

/** out = fn(a) * b */
export function gateCall({ fn, a, b, out }: Gating, cols: number, context: Context): KernelCall {
  return {
    kernel: 'map',
    definitions: { FN: fn, GATED: true, SCALARS: 0 },
    constants: numberByNumber(context, cols, { X: a, UP: b, OUT: out }),
    bindings: { 1: a.array, 2: b.array, 3: out.array },
    ...overNumbers(context, cols, 3),
  };
}

interface Zipping {
  readonly fn: ZipFunction;
  readonly a: View;
  readonly b: View;
  readonly out: View;
}

export function zipCall({ fn, a, b, out }: Zipping, cols: number, context: Context): KernelCall {
  return {
    kernel: 'zip',
    definitions: { FN: fn },
    constants: numberByNumber(context, cols, { A: a, B: b, OUT: out }),
    bindings: { 1: a.array, 2: b.array, 3: out.array },
    ...overNumbers(context, cols, 3),
  };
}

interface Concatenation {
  readonly a: View;
  readonly b: View;
  readonly out: View;
  readonly heads: number;
  readonly cols: readonly [a: number, b: number];
}

export function concatCall({ a, b, out, heads, cols }: Concatenation, context: Context): KernelCall {
  const { kind, tuning } = context;
  const all = cols[0] + cols[1];
  return {
    kernel: 'concat',
    definitions: {},
    constants: {
      ...{ WG: tuning.workgroup, COLS: all, A_DIM: cols[0] / heads, B_DIM: cols[1] / heads },
      ...floatStrides({ A: a, B: b, OUT: out }),
    },
    bindings: { 1: a.array, 2: b.array, 3: out.array },
    grid: (sizes) => [Math.ceil(all / tuning.workgroup), countOf(sizes, kind), 1],
    work: workOf(kind, all, 2),
  };
}

interface Convolution {
  readonly x: View;
  readonly weight: GpuArray; // [cols][taps]
  readonly bias: GpuArray | undefined;
  readonly past: GpuArray;
  readonly out: View;
  readonly cols: number;
  readonly taps: number;
}

export function convCall(convolution: Convolution, context: Context): KernelCall {
  const { x, weight, bias, past, out, cols, taps } = convolution;
  const { step, stepConstants } = context;
  return {
    kernel: 'conv',
    definitions: { TAPS: taps, BIAS: bias !== undefined },
    constants: { ...stepConstants, COLS: cols, ...numberByNumber(context, cols, { X: x, OUT: out }) },
    bindings: { 0: step, 1: x.array, 2: weight, 3: out.array, 4: past, ...(bias && { 5: bias }) },
    grid: ({ slices }) => [workgroupsOf(context, cols), slices.length, 1],
    work: ({ tokens }) => ({ bytes: 8 * tokens * cols, macs: tokens * cols * taps }),
  };
}

interface Scan {
  readonly op: ScanOp;
  readonly q: View;
  readonly k: View;
  readonly v: View;
  readonly dt: View;
  readonly beta: View;
  readonly rates: GpuArray; // a, then skip, each padded to whole ROW_UNITs
  readonly past: GpuArray;
  readonly out: View;
  readonly sizes: ScanSizes;
}

/** A thread computes one column of a head for all tokens of a slice. */
export function scanCall({ op, rates, past, sizes, ...views }: Scan, context: Context): KernelCall {
  const { step, stepConstants, tuning } = context;
  const { q, k, v, dt, beta, out } = views;
  const { heads, groups, keyDim: N, valueDim: P } = sizes;
  const columns = padded(heads * P);
  return {
    kernel: 'scan',
    definitions: { RULE: op.rule, CYCLIC: op.cyclic ?? false },
    constants: {
      ...{ ...stepConstants, WG: tuning.workgroup, HEADS: heads, GROUPS: groups, N, P, PADDED: columns },
      SKIPS: ROW_UNIT * Math.ceil(heads / ROW_UNIT),
      ...Object.fromEntries(
        Object.entries({ Q: q, K: k, V: v, DT: dt, BETA: beta, OUT: out }).flatMap(([name, view]) => [
          [`${name}_STRIDE`, view.stride],
          [`${name}_OFFSET`, view.offset],
        ]),
      ),
    },
    bindings: {
      ...{ 0: step, 1: q.array, 2: k.array, 3: out.array, 4: past },
      ...{ 5: v.array, 6: dt.array, 7: beta.array, 8: rates },
    },
    grid: ({ slices }) => [Math.ceil(columns / tuning.workgroup), slices.length, 1],
    work: ({ tokens, slices }) => ({
      bytes: 8 * heads * P * (tokens + slices.length * N),
      macs: tokens * heads * N * P * (op.rule === 'delta' ? 3 : 2),
    }),
  };
}

function numberByNumber(
  { tuning }: Context,
  cols: number,
  views: Readonly<Record<string, View>>,
): Record<string, number> {
  return { WG: tuning.workgroup, WIDTH: padded(cols) / 4, ...strides(views) };
}

/** A thread computes four numbers. `passes`: float32 rows that are read and written. */
function overNumbers(context: Context, cols: number, passes: number): Pick<KernelCall, 'grid' | 'work'> {
  const { kind } = context;
  const workgroups = workgroupsOf(context, cols);
  return { grid: (sizes) => [workgroups, countOf(sizes, kind), 1], work: workOf(kind, cols, passes) };
}

/** Workgroups of a row in which a thread computes four numbers. */
function workgroupsOf({ tuning }: Context, cols: number): number {
  return Math.ceil(padded(cols) / 4 / tuning.workgroup);
}

/** A workgroup computes one row. `passes`: float32 rows that are read and written. */
function rowByRow({ kind }: Context, cols: number, passes: number): Pick<KernelCall, 'grid' | 'work'> {
  return { grid: (sizes) => [countOf(sizes, kind), 1, 1], work: workOf(kind, cols, passes) };
}

function workOf(kind: RowKind, cols: number, passes: number): (sizes: StepSizes) => Work {
  return (sizes) => ({ bytes: 4 * passes * countOf(sizes, kind) * cols, macs: 0 });
}

/** NAME_STRIDE and NAME_OFFSET in floats. */
export function floatStrides(views: Readonly<Record<string, View>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(views).flatMap(([name, { stride, offset }]) => [
      [`${name}_STRIDE`, stride],
      [`${name}_OFFSET`, offset],
    ]),
  );
}

/** NAME_STRIDE and NAME_OFFSET in vec4s. */
function strides(views: Readonly<Record<string, View>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(views).flatMap(([name, { stride, offset }]) => [
      [`${name}_STRIDE`, stride / 4],
      [`${name}_OFFSET`, offset / 4],
    ]),
  );
}
