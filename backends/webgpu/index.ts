/**
 * The WebGPU backend, on Dawn. Weights are uploaded once, in a layout of the device's own. A program is a list of
 * dispatches with static bind groups, and a step is one submit.
 */
import type { TensorType } from '../../kernels/quant-formats.ts';
import type {
  Backend,
  DeviceInfo,
  Executable,
  Op,
  Program,
  Roofs,
  ScanOp,
  StateShape,
  WeightDesc,
  WeightId,
  WeightSource,
} from '../backend.ts';
import { type ExpertPhase, fuse, type Phase, type Product } from '../fuse.ts';
import { keptValues, type Shape, shapesOf, weightsOf } from '../ops.ts';
import { checkSupport, givenWeight, vocabularyOf, WeightTable, weightBytes } from '../program-weights.ts';
import { Angles } from './angles.ts';
import { Arrays, type GpuArray } from './arrays.ts';
import { type DeviceOptions, GpuDevice } from './device.ts';
import { Dispatches } from './dispatches.ts';
import { WebgpuExecutable } from './executable.ts';
import { MATRIX_TYPES } from './form.ts';
import type { Stack } from './matmul-calls.ts';
import { Pipelines } from './pipelines.ts';
import { Planner, ropesOf } from './plan.ts';
import { measureRoofs } from './roofs.ts';
import { stacksOf } from './stacks.ts';
import { widestOf } from './states.ts';
import { type Tuning, tune } from './tuning.ts';
import { arraysOf, stackLayout, uploadStack, uploadVector, type Weight } from './weights.ts';

export interface WebgpuOptions extends DeviceOptions {
  /** Overrides the forms of kernels chosen for the device; for tests and comparisons. */
  readonly tuning?: Partial<Tuning>;
  /** Times every kernel with the device's clock, if it has one: `Executable.kernelTimes`. */
  readonly profile?: boolean;
  /** Compiles kernels when a step first needs them, not at load: faster for tests, which run few steps. */
  readonly lazy?: boolean;
  /** Guards around every array (`Executable.damage`); tests only. */
  readonly sentinels?: boolean;
}

/** Throws UserError if there is no adapter. */
export async function createWebgpuBackend(options: WebgpuOptions = {}): Promise<Backend> {
  return new WebgpuBackend(await GpuDevice.open(options), options);
}

/** A program as `compile` finds it. */
interface Facts {
  readonly phases: readonly Phase[];
  readonly shapes: readonly Shape[]; // of its values
  readonly vocabulary: number;
}

/** Weights that share arrays on the device. */
interface Placed {
  readonly ids: readonly WeightId[];
  readonly arrays: readonly GpuArray[];
}

/** Ops whose first weight may be of any type with a form. */
const MATRIX_OPS: readonly Op['op'][] = ['matmul', 'expert-matmul', 'embed'];

export class WebgpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly threads = 0;
  readonly description: string;
  readonly device: DeviceInfo;
  /** The device; tests destroy it to see how a step fails. */
  readonly gpu: GpuDevice;
  readonly #tuning: Tuning;
  readonly #options: WebgpuOptions;
  readonly #pipelines: Pipelines;
  readonly #arrays: Arrays; // of weights
  readonly #weights = new WeightTable<Weight>((_, id) => this.#drop(id));
  readonly #stacks = new Map<string, Stack & Placed>();
  readonly #vectors = new Map<string, Placed>();
  readonly #desc = (id: WeightId) => this.#weights.all[id]!.desc; // of weights in programs being compiled
  #readBytes = 0;

  constructor(gpu: GpuDevice, options: WebgpuOptions) {
    this.gpu = gpu;
    this.#options = options;
    this.#tuning = tune(gpu, options.tuning);
    this.#pipelines = new Pipelines(gpu);
    this.#arrays = new Arrays(gpu, options.sentinels ?? false);
    this.device = gpu.info;
    this.description = describe(gpu.info, this.#tuning);
  }

  supports({ op }: Op, types: readonly TensorType[], state?: StateShape): true | string {
    for (const [i, type] of types.entries()) {
      const matrix = i === 0 && MATRIX_OPS.includes(op);
      const known: readonly TensorType[] = matrix ? MATRIX_TYPES : ['F32'];
      if (!known.includes(type)) {
        return `${type} is not supported yet by the webgpu backend for ${op}; supported: ${known.join(', ')}`;
      }
    }
    return state ? supportsState(state) : true;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.add(givenWeight(desc, source));
  }

  forget(weight: WeightId): void {
    this.#weights.forget(weight);
  }

  readBytes(): number {
    return this.#readBytes;
  }

  async compile(program: Program): Promise<Executable> {
    const desc = (id: WeightId) => this.#weights.get(id).desc;
    checkSupport(program, desc, this);
    const facts = {
      phases: fuse(program.ops, keptValues(program)),
      shapes: shapesOf(program, desc),
      vocabulary: vocabularyOf(program, desc),
    };
    return this.#weights.compiling(program, async (release) => {
      const arrays = new Arrays(this.gpu, this.#options.sentinels ?? false);
      const dispose = () => {
        arrays.destroy();
        release();
      };
      try {
        return await this.gpu.guarded(() => this.#compile(program, facts, arrays, dispose));
      } catch (error) {
        arrays.destroy();
        throw error;
      }
    });
  }

  roofs(): Promise<Roofs> {
    return this.gpu.guarded(() => measureRoofs(this.gpu, this.#pipelines, this.#tuning));
  }

  async dispose(): Promise<void> {
    this.gpu.dispose();
  }

  async #compile(
    program: Program,
    { phases, shapes, vocabulary }: Facts,
    arrays: Arrays,
    onDispose: () => void,
  ): Promise<Executable> {
    await this.#upload(phases);
    const angles = new Angles(this.gpu, ropesOf(phases), program.limits.contextLength, arrays);
    const planner = new Planner({
      program,
      phases,
      shapes,
      weights: this.#weights.all,
      placed: {
        stack: (ids, inTurn) => this.#stacks.get(stackKey(ids, inTurn))!,
        vector: (id) => this.#vectors.get(String(id))!.arrays[0]!,
        biases: (products) => this.#vectors.get(biasKey(products))!.arrays[0]!,
        rates: (op) => this.#vectors.get(ratesKey(op))!.arrays[0]!,
      },
      angles: angles.tables,
      arrays,
      tuning: this.#tuning,
    });
    const plan = planner.plan();
    const dispatches = new Dispatches({
      gpu: this.gpu,
      program,
      plan,
      pipelines: this.#pipelines,
      arrays,
      tuning: this.#tuning,
    });
    if (!this.#options.lazy) await dispatches.all();
    return new WebgpuExecutable({
      gpu: this.gpu,
      program,
      vocabulary,
      plan,
      dispatches,
      angles,
      arrays,
      tuning: this.#tuning,
      weightBytes: this.#arrays.bytes,
      profile: (this.#options.profile ?? false) && this.gpu.has('timestamp-query'),
      onDispose,
    });
  }

  /** Uploads the weights that are not on the device yet. */
  async #upload(phases: readonly Phase[]): Promise<void> {
    for (const phase of phases) {
      if (phase.kind === 'embed') await this.#uploadStack([phase.op.table], false);
      if (phase.kind === 'route') for (const id of weightsOf(phase.op)) await this.#uploadVector(id);
      if (phase.kind === 'expert-matmul') await this.#uploadExperts(phase);
      if (phase.kind === 'attention') for (const id of weightsOf(phase.op)) await this.#uploadVector(id);
      if (phase.kind === 'norm') await this.#uploadVector(phase.op.weight);
      if (phase.kind === 'scan') await this.#uploadRates(phase.op);
      if (phase.kind === 'layer-norm' || phase.kind === 'conv')
        for (const id of weightsOf(phase.op)) await this.#uploadVector(id);
      if (phase.kind === 'map') for (const id of phase.op.scalars ?? []) await this.#uploadVector(id);
      if (phase.kind !== 'matmul') continue;
      if (phase.norm) await this.#uploadVector(phase.norm.weight);
      for (const { products, inTurn } of stacksOf(phase, this.#weights.all)) {
        await this.#uploadStack(
          products.map(({ weight }) => weight),
          inTurn,
        );
        await this.#uploadBiases(products);
      }
    }
  }

  async #uploadExperts({ products }: ExpertPhase): Promise<void> {
    for (const { weight, bias } of products) {
      await this.#uploadStack([weight], false);
      if (bias !== undefined) await this.#uploadVector(bias);
    }
  }

  async #uploadStack(ids: readonly WeightId[], inTurn: boolean): Promise<void> {
    const key = stackKey(ids, inTurn);
    if (this.#stacks.has(key)) return;
    const weights = ids.map((id) => this.#weights.all[id]!);
    const layout = stackLayout(
      weights.map(({ desc }) => desc),
      inTurn,
      { packedDot: this.#tuning.packedDot, bindingLimit: this.gpu.bindingLimit },
    );
    const parts = await uploadStack(this.gpu, this.#arrays, weights, layout);
    this.#stacks.set(key, { layout, parts, ids, arrays: arraysOf(parts) });
    this.#count(weights);
  }

  /** Uploads all numbers of a weight as one vector, row after row. */
  async #uploadVector(id: WeightId): Promise<void> {
    const weight = this.#weights.all[id]!;
    const [rows, cols] = [1, weight.desc.rows * weight.desc.cols];
    const source = { op: 'reshape', of: weight.source, rows, cols } as const;
    await this.#uploadNumbers(String(id), [id], [{ desc: { ...weight.desc, rows, cols }, source }]);
  }

  async #uploadBiases(products: readonly Product[]): Promise<void> {
    const ids = products.flatMap(({ bias }) => bias ?? []);
    const vectors = products.map(({ weight, bias }) =>
      bias === undefined ? this.#desc(weight).rows : this.#weights.all[bias]!,
    );
    if (ids.length > 0) await this.#uploadNumbers(biasKey(products), ids, vectors);
  }

  /** The decays of a scan, then its skips: zeros without any. */
  async #uploadRates(op: ScanOp): Promise<void> {
    const { a, skip } = op;
    const ids = skip === undefined ? [a] : [a, skip];
    const vectors = [a, skip].map((id) => (id === undefined ? this.#desc(a).cols : this.#weights.all[id]!));
    await this.#uploadNumbers(ratesKey(op), ids, vectors);
  }

  async #uploadNumbers(
    key: string,
    ids: readonly WeightId[],
    vectors: readonly (Weight | number)[],
  ): Promise<void> {
    if (this.#vectors.has(key)) return;
    this.#vectors.set(key, { ids, arrays: [await uploadVector(this.gpu, this.#arrays, vectors)] });
    this.#count(vectors.filter((each) => typeof each !== 'number'));
  }

  /** Destroys all arrays that hold a forgotten weight. */
  #drop(id: WeightId): void {
    for (const placed of [this.#stacks, this.#vectors]) {
      for (const [key, { ids, arrays }] of placed) {
        if (!ids.includes(id)) continue;
        placed.delete(key);
        this.#arrays.destroy(arrays);
      }
    }
  }

  #count(weights: readonly Weight[]): void {
    for (const { desc } of weights) this.#readBytes += weightBytes(desc);
  }
}

/** A workgroup sums one head, 4 dimensions a thread, and has at most 256 threads. */
function supportsState(state: StateShape): true | string {
  if (state.kind === 'recurrent') return true;
  const widest = widestOf(state);
  return widest <= 4 * 256 || `heads of ${widest} dimensions are not supported; the limit is 1024`;
}

function stackKey(ids: readonly WeightId[], inTurn: boolean): string {
  return `${ids.join(',')}${inTurn ? ' in turn' : ''}`;
}

/** A product without a bias has zeros instead, one for each row of its matrix. */
function biasKey(products: readonly Product[]): string {
  return products.map(({ weight, bias }) => (bias === undefined ? `zeros of ${weight}` : bias)).join(',');
}

function ratesKey({ a, skip }: ScanOp): string {
  return `rates ${a},${skip ?? 'none'}`;
}

function describe({ name, driver, software }: DeviceInfo, tuning: Tuning): string {
  const uses = [
    tuning.packedDot ? 'packed dot products' : 'pairs of rows',
    ...(tuning.subgroupSize > 0 ? ['subgroups'] : []),
    ...(tuning.f16 ? ['float16'] : []),
  ];
  const what = software ? 'software adapter' : 'GPU';
  return `${name}${driver && driver !== name ? ` (${driver})` : ''}, ${what}; ${uses.join(', ')}`;
}
