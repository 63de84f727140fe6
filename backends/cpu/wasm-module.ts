/** The kernels for this machine: dist/ has a module for each class of CPU; a probe picks one, and only that one is read. */
import { readFile } from 'node:fs/promises';
import * as layout from '../../kernels/wasm/layout.ts';
import { compileModule, missingModule, moduleUrl } from '../wasm-compiler.ts';

/** Classes of CPUs by the relaxed dot product (kernels/wasm/dot.ts), with the words for the backend's description. */
export const DOT_CLASS_NAMES = {
  unsigned: 'unsigned dot products (AVX-VNNI)',
  signed: 'signed dot products (ARM, AVX-VNNI-INT8)',
  saturating: '16-bit pairs (AVX2)',
} as const;

export type DotClass = keyof typeof DOT_CLASS_NAMES;

/** For tests. */
export interface KernelChoice {
  readonly dotClass?: DotClass; // default: that of the CPU; saturating is exact on every CPU
  readonly emulated?: boolean; // the modules of dist/emulated, which compute the dot products of the class on every CPU
}

/** Exports of kernels/wasm/index.ts. */
export interface KernelExports {
  repack(type: number, src: number, dst: number, rows: number, cols: number, scratch: number): void;
  groupBytes(type: number, cols: number): number;
  allFinite(from: number, bytes: number, step: number, exponents: number): number;
  walk(table: number, threads: number, scratch: number): void;
  meet(threads: number): void;
  readRoof(from: number, bytes: number): number;
  multiplyRoof(at: number, turns: number): void;
}

export async function compileKernels({ dotClass, emulated }: KernelChoice = {}) {
  const name = dotClass ?? (await probeDotClass());
  const module = await compile(`${emulated ? 'emulated/' : ''}kernels-${name}.wasm`);
  return { module, dotClass: name };
}

/** The class of this CPU. An unknown one gets the module that is exact on every CPU. */
async function probeDotClass(): Promise<DotClass> {
  const probe = new WebAssembly.Instance(await compile('dot-probe.wasm'), {}).exports;
  const { dot } = probe as { dot(x: number, w: number): number };
  const sum = dot(0x7f7f7f7f, -1); // 4 times 127 * 255 or 127 * -1; with saturating pairs 2 * 32767
  if (sum === 4 * 127 * 255) return 'unsigned';
  return sum === 4 * -127 ? 'signed' : 'saturating';
}

async function compile(file: string): Promise<WebAssembly.Module> {
  const url = moduleUrl(file);
  const bytes = await readFile(url).catch((cause) => {
    throw missingModule(url, cause);
  });
  return compileModule(bytes);
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

/** Constants of exp4 (kernels/wasm/simd.ts). */
const EXP = [
  -87.3,
  88.3,
  1.5 * 2 ** 23,
  1.4426950216293335,
  -0.693145751953125,
  -1.428606765330187e-6,
  0.008247390389442444,
  0.04189976677298546,
  0.16668395698070526,
  0.4999912679195404,
  0.9999994039535522,
  1,
];

/** -125, then the minimax polynomial of 2^r on -0.5..0.5 by relative error (7.5e-5), found by Lawson's iteration. */
const POWER = [-125, 0.05517166, 0.24261112, 0.69326099, 0.99992807];

/** Writes the words that kernels load as vectors (layout.ts). */
export function writeConstants(memory: WebAssembly.Memory): void {
  const words = new Uint32Array(memory.buffer);
  words[layout.LOW_NIBBLES / 4] = 0x0f0f0f0f;
  words[layout.HIGH_NIBBLES / 4] = 0xf0f0f0f0;
  words[layout.HALF_MASK / 4] = 0x8fffe000;
  words[layout.SIGN_BYTES / 4] = 0x80808080;
  words[layout.FIFTH_BITS / 4] = 0x10101010;
  words[layout.UPPER_HALF / 4] = 0xffff0000;
  words[layout.HIGH_CRUMBS / 4] = 0x30303030;
  const floats = new Float32Array(memory.buffer);
  floats[layout.HALF_SCALE / 4] = 2 ** 112;
  floats[layout.HALF_IN / 4] = 2 ** 100;
  floats[layout.HALF_OUT / 4] = 2 ** 12;
  floats.set(EXP, layout.EXP / 4);
  floats.set(POWER, layout.POWER / 4);
}
