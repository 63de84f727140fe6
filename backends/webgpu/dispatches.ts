/** The dispatches of a program, by mode. They are compiled in parallel at load, or list by list as steps need them. */
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

  /** Compiles all dispatches that steps of this program can need. */
  async all(): Promise<void> {
    const { plan, program } = this.#parts;
    const { single, traced, batch, many, long } = plan.trunk;
    const lists = [single, traced, plan.tail.single, plan.tail.many];
    if (program.limits.sequences > 1) lists.push(batch);
    if (program.limits.maxTokens > 1) lists.push(many, long);
    await Promise.all([...lists.map((list) => this.#list(list)), this.choices()]);
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
