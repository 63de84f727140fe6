/// <reference path="./gpu-js-modules.d.ts" />
/** Types of the part of gpu.js that is used here: its own types lack the exports of its WebGPU mode. */
import { UserError } from '../../errors.ts';

export type Mode = 'webgpu' | 'webasm' | 'cpu';

export interface GpuJs {
  readonly GPU: new (settings: { mode: Mode }) => GpuInstance;
  readonly input: (value: Float32Array, size: readonly number[]) => Input;
  readonly WebGPUContext: {
    /** One device for the process, until it is lost or destroyed. */
    acquire(): Promise<GpuContext>;
    destroy(): Promise<void>;
  };
  readonly WebGPUBufferResult: new (settings: HandleParts) => BufferHandle;
}

export interface GpuInstance {
  createKernel(text: string, settings: KernelSettings): KernelFunction;
  destroy(): Promise<void>;
}

export interface KernelSettings {
  readonly output: readonly number[];
  readonly constants: Readonly<Record<string, Input>>;
  readonly argumentTypes: readonly string[];
  readonly strictIntegers: true; // whole numbers among constants and arguments are integers
  readonly loopMaxIterations: number; // gpu.js ends longer loops silently; its default is 1000
  readonly dynamicOutput: boolean;
  readonly dynamicArguments: boolean;
  readonly pipeline: boolean; // results stay on the GPU
  readonly asyncMode: boolean; // threads, in mode webasm, for 4096 cells and more
  readonly poolSize?: number;
}

/** A callable kernel. `kernel` is its implementation, which gpu.js may have replaced. */
export interface KernelFunction {
  (...args: readonly unknown[]): unknown;
  setOutput(output: readonly number[]): void;
  destroy(): void;
  readonly kernel: {
    readonly constructor: { readonly mode: string };
    readonly fallbackReason: string | null;
  };
}

/** Numbers with a shape, held by reference: mode cpu reads them in place. */
export interface Input {
  value: Float32Array;
  readonly size: readonly number[];
}

export interface GpuContext {
  readonly device: GPUDevice;
  readonly isLost: boolean;
}

interface HandleParts {
  readonly buffer: GPUBuffer;
  readonly output: readonly number[];
  readonly componentCount: 1;
  readonly context: GpuContext;
  readonly kernel?: unknown;
}

/** A GPU buffer as a matrix with rows of output[0] numbers. */
export interface BufferHandle {
  readonly buffer: GPUBuffer;
  output: readonly number[];
  toArray(): Promise<Float32Array | Float32Array[]>;
  delete(): void;
}

/** Undefined if the package is not installed. */
export async function gpuJsVersion(): Promise<string | undefined> {
  try {
    return (await import('gpu.js/package.json', { with: { type: 'json' } })).default.version;
  } catch {
    return undefined;
  }
}

/** The bundles contain the package. Throws UserError if the sources run without it. */
export async function importGpuJs(): Promise<GpuJs> {
  try {
    const { default: gpuJs } = await import('gpu.js');
    return gpuJs as GpuJs;
  } catch (cause) {
    throw new UserError(
      'The npm package gpu.js is not installed.',
      'npm install gpu.js   (or choose another backend)',
      { cause },
    );
  }
}
