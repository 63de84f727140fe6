/**
 * The dispatches of a program, by mode. On hardware all are compiled at load, in parallel; a software adapter takes
 * tenths of a second for each, so there a list is compiled when the first step needs it.
 */
import type { Program } from '../backend.ts';
import type { Arrays } from './arrays.ts';
import { type Choices, makeChoices } from './choices.ts';
import type { GpuDevice } from './device.ts';
import type { KernelCall, Mode } from './kernel-call.ts';
import type { Dispatch, Pipelines } from './pipelines.ts';
import type { Plan } from './plan.ts';
import type { Tuning } from './tuning.ts';

export interface DispatchParts {
  readonly gpu: GpuDevice;
  readonly program: Program;
  readonly plan: Plan;
  readonly pipelines: Pipelines;
  readonly arrays: Arrays;
  readonly tuning: Tuning;
}

export class Dispatches {
  readonly #parts: DispatchParts;
  readonly #lists = new Map<readonly KernelCall[], Promise<readonly Dispatch[]>>();
  #choices: Promise<Choices> | undefined;

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  /** Compiles everything. */
  async all(): Promise<void> {
    const { trunk, tail } = this.#parts.plan;
    const calls = [...Object.values(trunk), ...Object.values(tail)];
    await Promise.all([...calls.map((list) => this.#list(list)), this.choices()]);
  }

  trunk(mode: Mode): Promise<readonly Dispatch[]> {
    return this.#list(this.#parts.plan.trunk[mode]);
  }

  tail(outputs: number): Promise<readonly Dispatch[]> {
    return this.#list(this.#parts.plan.tail[outputs === 1 ? 'single' : 'many']);
  }

  choices(): Promise<Choices> {
    const { gpu, program, plan, arrays, pipelines, tuning } = this.#parts;
    this.#choices ??= gpu.guarded(() => makeChoices(program, plan, { arrays, pipelines, tuning }));
    return this.#choices;
  }

  #list(calls: readonly KernelCall[]): Promise<readonly Dispatch[]> {
    const known = this.#lists.get(calls);
    if (known) return known;
    const { gpu, pipelines } = this.#parts;
    const making = gpu.guarded(() => Promise.all(calls.map((call) => pipelines.dispatch(call))));
    this.#lists.set(calls, making);
    return making;
  }
}
