/** Choices that the device makes from logits: greedy ids, which are fed back, or the largest logits of a row. */
import type { Executable, Program, TopLogits } from '../backend.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import type { KernelCall, StepSizes } from './kernel-call.ts';
import type { Dispatch, Pipelines } from './pipelines.ts';
import type { Plan } from './plan.ts';
import { stepConstants } from './step-layout.ts';
import type { Tuning } from './tuning.ts';

export const CHOICE_MOST: NonNullable<Executable['chooses']> = { greedy: 16, top: 64 };

export interface Choices {
  readonly greedy: Dispatch;
  readonly top: Dispatch;
  readonly result: GpuArray; // rows in the layouts that readGreedy and readTop read
}

export const GREEDY_ROW_BYTES = 4 * CHOICE_MOST.greedy;
export const TOP_ROW_BYTES = 4 * (2 + 2 * CHOICE_MOST.top);

/** Bytes of the choices of a step. */
export function choiceBytes({ limits }: Program, { outputRows }: Plan): number {
  return Math.max(limits.sequences * GREEDY_ROW_BYTES, outputRows * TOP_ROW_BYTES);
}

export async function makeChoices(
  program: Program,
  plan: Plan,
  { arrays, pipelines, tuning }: { arrays: Arrays; pipelines: Pipelines; tuning: Tuning },
): Promise<Choices> {
  const result = arrays.make('choices', choiceBytes(program, plan));
  const call = (kernel: string, most: number, grid: KernelCall['grid']): KernelCall => ({
    kernel,
    definitions: { STEP_WRITTEN: kernel === 'argmax', SUBGROUPS: tuning.subgroupSize > 0 },
    constants: {
      ...stepConstants(program.limits),
      WG: Math.max(64, tuning.workgroup),
      COLS: plan.vocabulary,
      STRIDE: plan.logits.stride,
      OFFSET: plan.logits.offset,
      MOST: most,
    },
    bindings: { 0: plan.step, 1: plan.logits.array, 2: result },
    grid,
    work: ({ outputs }: StepSizes) => ({ bytes: 4 * outputs * plan.logits.stride, macs: 0 }),
  });
  const [greedy, top] = await Promise.all([
    pipelines.dispatch(call('argmax', CHOICE_MOST.greedy, ({ slices }) => [slices.length, 1, 1])),
    pipelines.dispatch(call('top-k', CHOICE_MOST.top, ({ outputs }) => [outputs, 1, 1])),
  ]);
  return { greedy, top, result };
}

/** Ids [slices, count], the first of each row of `mapped`. */
export function readGreedy(mapped: ArrayBuffer, slices: number, count: number): Int32Array {
  const ids = new Int32Array(slices * count);
  const all = new Int32Array(mapped);
  for (let slice = 0; slice < slices; slice++) {
    const from = slice * CHOICE_MOST.greedy;
    ids.set(all.subarray(from, from + count), slice * count);
  }
  return ids;
}

/** The `count` largest logits of row `row` of `mapped`, sorted. The row holds the `held` largest, unsorted. */
export function readTop(mapped: ArrayBuffer, row: number, held: number, count: number): TopLogits {
  const words = new Int32Array(mapped);
  const floats = new Float32Array(mapped);
  const most = CHOICE_MOST.top;
  const from = row * (2 + 2 * most);
  const places = Array.from({ length: held }, (_, i) => from + 2 + i)
    .sort((a, b) => floats[b + most]! - floats[a + most]! || words[a]! - words[b]!)
    .slice(0, count);
  return {
    ids: Int32Array.from(places, (place) => words[place]!),
    logits: Float32Array.from(places, (place) => floats[place + most]!),
    logSumExp: floats[from]! + Math.log(floats[from + 1]!),
  };
}
