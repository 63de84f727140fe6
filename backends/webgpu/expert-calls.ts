/** Calls of mixtures of experts: routing, products with the picked experts' matrices, and their sum. */
import type { Routing } from '../../kernels/reference/route.ts';
import type { GpuArray } from './arrays.ts';
import { paddedCols } from './form.ts';
import type { KernelCall } from './kernel-call.ts';
import { countOf, type Stack } from './matmul-calls.ts';
import { type Context, floatStrides, formDefinitions } from './row-calls.ts';
import type { View } from './values.ts';

interface RouteParts {
  readonly x: View;
  readonly out: View;
  readonly experts: number;
  readonly routing: Routing;
  readonly bias: GpuArray | undefined;
  readonly scales: GpuArray | undefined;
}

export function routeCall(
  { x, out, experts, routing, bias, scales }: RouteParts,
  { tuning, kind }: Context,
): KernelCall {
  const { count, by, normalized = false, scale = 1, groups } = routing;
  return {
    kernel: 'route',
    definitions: {
      ...{ BY: by, NORMALIZED: normalized, GROUPED: groups !== undefined },
      ...{ BIAS: bias !== undefined, SCALES: scales !== undefined },
    },
    constants: {
      ...{ WG: tuning.workgroup, EXPERTS: experts, COUNT: count, SCALE: scale },
      ...{ GROUPS: groups?.count ?? 1, ...(groups && { GROUPS_USED: groups.used }) },
      ...floatStrides({ X: x, OUT: out }),
    },
    bindings: { 1: x.array, 3: out.array, ...(bias && { 2: bias }), ...(scales && { 4: scales }) },
    grid: (sizes) => [countOf(sizes, kind), 1, 1],
    work: (sizes) => ({ bytes: 4 * countOf(sizes, kind) * (experts + 2 * count), macs: 0 }),
  };
}

interface ExpertParts {
  readonly stack: Stack; // of the matrices of all experts
  readonly x: View;
  readonly apart: boolean; // each pick has an x of its own
  readonly picks: View | undefined; // undefined: every matrix once
  readonly count: number; // of picks
  readonly rows: number; // of the matrix of an expert
  readonly bias: GpuArray | undefined;
  readonly out: View;
}

const LANES = 16; // threads of a number

/** One call for each part of the matrices. */
export function expertCalls(
  { stack: { layout, parts }, x, apart, picks, count, rows, bias, out }: ExpertParts,
  { tuning, kind }: Context,
): KernelCall[] {
  const { form, cols } = layout;
  return parts.map((part) => ({
    kernel: 'experts',
    definitions: { ...formDefinitions(form), BIAS: bias !== undefined, PICKED: picks !== undefined },
    constants: {
      ...{ WG: tuning.workgroup, K: paddedCols(form, cols), COLS: cols, N: rows },
      ...{ FIRST_ROW: part.firstRow, PART_ROWS: part.rows, X_PART: apart ? cols : 0 },
      ...floatStrides({ X: x, OUT: out, ...(picks && { PICKS: picks }) }),
    },
    bindings: {
      ...{ 1: part.codes, 3: out.array, 4: x.array },
      ...(picks && { 5: picks.array }),
      ...(part.scales && { 2: part.scales }),
      ...(bias && { 6: bias }),
    },
    grid: (sizes) => [Math.ceil(rows / (tuning.workgroup / LANES)), count, countOf(sizes, kind)],
    work(sizes) {
      const products = countOf(sizes, kind) * count;
      const all = part.codes.bytes + (part.scales?.bytes ?? 0);
      return { bytes: (products * all * rows) / layout.rows, macs: products * rows * cols };
    },
  }));
}

interface MixParts {
  readonly x: View;
  readonly picks: View;
  readonly count: number;
  readonly out: View;
  readonly cols: number;
}

export function mixCall({ x, picks, count, out, cols }: MixParts, { tuning, kind }: Context): KernelCall {
  return {
    kernel: 'mix',
    definitions: {},
    constants: {
      WG: tuning.workgroup,
      COLS: cols,
      COUNT: count,
      ...floatStrides({ X: x, PICKS: picks, OUT: out }),
    },
    bindings: { 1: x.array, 2: picks.array, 3: out.array },
    grid: (sizes) => [Math.ceil(cols / tuning.workgroup), countOf(sizes, kind), 1],
    work(sizes) {
      const rows = countOf(sizes, kind);
      return { bytes: 4 * rows * (count + 1) * cols, macs: rows * count * cols };
    },
  };
}
