/** Pipelines and bind groups. Each form of a kernel is compiled once, in parallel at load; a step creates none. */

import { UserError } from '../../errors.ts';
import type { GpuDevice } from './device.ts';
import type { Binding, KernelCall, StepSizes, Work } from './kernel-call.ts';
import { kernelSource } from './wgsl.ts';

/** A call with its pipeline and its bind group. */
export interface Dispatch {
  readonly kernel: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: (sizes: StepSizes) => readonly [x: number, y: number, z: number];
  readonly work: (sizes: StepSizes) => Work;
}

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly number[];
}

export class Pipelines {
  readonly #gpu: GpuDevice;
  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #modules = new Map<string, Promise<GPUShaderModule>>();

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  async dispatch(call: KernelCall): Promise<Dispatch> {
    const { kernel, grid, work } = call;
    const { pipeline, layout, bindings } = await this.#pipeline(call);
    const entries = bindings.map((binding) => ({
      binding,
      resource: resourceOf(call.bindings[binding]!),
    }));
    const bindGroup = this.#gpu.device.createBindGroup({ label: kernel, layout, entries });
    return { kernel, pipeline, bindGroup, grid, work };
  }

  #pipeline(call: KernelCall): Promise<Compiled> {
    const key = JSON.stringify([call.kernel, call.definitions, call.constants]);
    const known = this.#compiled.get(key);
    if (known) return known;
    const compiling = this.#compile(call);
    this.#compiled.set(key, compiling);
    return compiling;
  }

  async #compile({ kernel, definitions, constants }: KernelCall): Promise<Compiled> {
    const { device } = this.#gpu;
    const code = moduleText(kernel, definitions);
    const module = await this.#module(kernel, code);
    const entries = bindingsIn(code);
    const layout = device.createBindGroupLayout({ label: kernel, entries });
    const pipeline = await device.createComputePipelineAsync({
      label: kernel,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main', constants: declared(code, constants) },
    });
    return { pipeline, layout, bindings: entries.map(({ binding }) => binding) };
  }

  /** Rejects if the device rejects the text: without validation, an invalid module would end the process. */
  #module(kernel: string, code: string): Promise<GPUShaderModule> {
    const known = this.#modules.get(code);
    if (known) return known;
    const making = checkedModule(this.#gpu.device, kernel, code);
    this.#modules.set(code, making);
    return making;
  }
}

async function checkedModule(device: GPUDevice, kernel: string, code: string): Promise<GPUShaderModule> {
  const module = device.createShaderModule({ label: kernel, code });
  const { messages } = await module.getCompilationInfo();
  const error = messages.find(({ type }) => type === 'error');
  if (!error) return module;
  const line = code.split('\n')[error.lineNum - 1]?.trim();
  throw new UserError(
    `The device rejected the kernel ${kernel}: ${error.message} (${line}).`,
    'Use --backend cpu, and please report this with the output of percept devices --json.',
    { kind: 'device' },
  );
}

/** The whole text: extensions in use, definitions that are numbers, the kernel. */
export function moduleText(kernel: string, definitions: KernelCall['definitions']): string {
  const extensions = [
    ...(definitions.SUBGROUPS || definitions.LANES_MEET === 'subgroup' ? ['enable subgroups;'] : []),
    ...(definitions.F16 && definitions.WEIGHTS === 'f16' ? ['enable f16;'] : []),
  ];
  const numbers = Object.entries(definitions)
    .filter(([, value]) => typeof value === 'number')
    .map(([name, value]) => `const ${name} = ${value}u;`);
  return [...extensions, ...numbers, kernelSource(kernel, definitions)].join('\n');
}

/** The storage buffers that a text declares, in order. */
function bindingsIn(code: string) {
  const declarations = code.matchAll(/@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>/g);
  return [...declarations].map(([, binding, access]) => ({
    binding: Number(binding),
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: access === 'read' ? ('read-only-storage' as const) : ('storage' as const) },
  }));
}

/** The constants for which a text declares overrides. */
function declared(code: string, constants: Readonly<Record<string, number>>): Record<string, number> {
  const names = new Set([...code.matchAll(/^override (\w+)/gm)].map(([, name]) => name));
  return Object.fromEntries(Object.entries(constants).filter(([name]) => names.has(name)));
}

function resourceOf(binding: Binding): GPUBufferBinding {
  const { array, from } = 'array' in binding ? binding : { array: binding, from: 0 };
  return { buffer: array.buffer, offset: array.offset + from, size: array.bytes - from };
}
