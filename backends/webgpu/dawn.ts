/**
 * Dawn, the WebGPU implementation of the npm package `webgpu`, opened and released with care: a native instance that
 * the garbage collector takes while its device still works ends the process, and one that stays referenced keeps the
 * process alive. So every open instance is held here until it is released.
 */
import { UserError } from '../../errors.ts';

export interface Dawn {
  readonly gpu: GPU;
  /** Lets go of the instance. Its devices must have been destroyed. */
  release(): void;
}

export interface DawnOptions {
  /** Dawn toggles to switch on; see `percept devices` for what is in force. */
  readonly toggles?: readonly string[];
}

const open = new Set<GPU>();

/** Throws UserError where the package, or its native part for this platform, is absent. */
export async function openDawn({ toggles = [] }: DawnOptions = {}): Promise<Dawn> {
  const { create, globals } = await import('webgpu').catch((cause) => {
    throw new UserError(
      `Expected the npm package webgpu with its native part for ${process.platform}-${process.arch}.`,
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
