/**
 * Opens and releases Dawn, the WebGPU implementation of the npm package `webgpu`. The process crashes if a native
 * instance is garbage collected while its device works, and it does not end while an instance is referenced. So every
 * open instance is referenced here until it is released.
 */
import { UserError } from '../../errors.ts';

export interface Dawn {
  readonly gpu: GPU;
  /** Drops the instance. Its devices must be destroyed before. */
  release(): void;
}

export interface DawnOptions {
  /** Dawn toggles to enable. */
  readonly toggles?: readonly string[];
}

const open = new Set<GPU>();

/** Throws UserError if the package, or its native part for this platform, is not installed. */
export async function openDawn({ toggles = [] }: DawnOptions = {}): Promise<Dawn> {
  const { create, globals } = await import('webgpu').catch((cause) => {
    throw new UserError(
      `The npm package webgpu, or its native part for ${process.platform}-${process.arch}, is not installed.`,
      'npm install webgpu   (or choose another backend: --backend cpu)',
      { cause },
    );
  });
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  const gpu = create(toggles.length > 0 ? [`enable-dawn-features=${toggles.join(',')}`] : []);
  open.add(gpu);
  return { gpu, release: () => void open.delete(gpu) };
}
