/**
 * Software graphics adapters, which test the WebGPU backend on every machine: SwiftShader, from a package that ships
 * it for a browser, and Mesa's lavapipe if the machine has it.
 *
 * Dawn finds them through the Vulkan loader. The dynamic linker searches the loader along LD_LIBRARY_PATH as it was at
 * the start of the process. So this runs before the workers are forked, and they inherit its settings. Tests start
 * programs with the `environment` of an adapter. PERCEPT_TEST_ADAPTER=own changes nothing: the machine's own adapter
 * is tested.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type { TestProject } from 'vitest/node';

export interface SoftwareAdapter {
  readonly name: string;
  readonly absent?: string; // why it cannot be used here
  readonly environment: Readonly<Record<string, string>>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    readonly adapters: readonly SoftwareAdapter[];
  }
}

const MODULES = resolve(import.meta.dirname, '../node_modules');
const PACKAGE = join(MODULES, '@sparticuz/chromium');
const OLDEST_MESA = 25; // earlier ones lack features that the kernels need

export function setup({ provide }: TestProject): void {
  if (process.env.PERCEPT_TEST_ADAPTER === 'own') {
    provide('adapters', [{ name: 'own adapter', environment: {} }]);
    return;
  }
  const adapters = softwareAdapters();
  provide('adapters', adapters);
  Object.assign(process.env, adapters[0]!.environment);
}

/** SwiftShader first. */
export function softwareAdapters(): SoftwareAdapter[] {
  const swiftShader = findSwiftShader();
  return [swiftShader, findLavapipe(swiftShader)];
}

function findSwiftShader(): SoftwareAdapter {
  const name = 'SwiftShader';
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return {
      name,
      absent: `it is packed for linux-x64, this is ${process.platform}-${process.arch}`,
      environment: {},
    };
  if (!existsSync(PACKAGE)) return { name, absent: '@sparticuz/chromium is not installed', environment: {} };
  const folder = unpacked();
  return {
    name,
    environment: {
      LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    },
  };
}

/** The folder with SwiftShader and a Vulkan loader; unpacked by the first run after an installation. */
function unpacked(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const folder = join(MODULES, '.cache/percept', `swiftshader-${version}`);
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const archive = brotliDecompressSync(readFileSync(join(PACKAGE, 'bin/swiftshader.tar.br')));
  for (const [name, bytes] of filesOfTar(archive)) {
    if (/vulkan|vk_/.test(name)) writeFileSync(join(making, name), bytes, { mode: 0o755 });
  }
  try {
    renameSync(making, folder); // atomic
  } catch (error) {
    rmSync(making, { recursive: true });
    if (!existsSync(folder)) throw error; // otherwise another run was faster
  }
  return folder;
}

/** Files of a POSIX ustar archive: blocks of 512 bytes, a header with name and octal size before each file. */
function* filesOfTar(archive: Buffer): Generator<[name: string, bytes: Buffer]> {
  const text = (from: number, length: number) =>
    archive.toString('latin1', from, from + length).split('\0')[0]!;
  for (let at = 0; at < archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + 512;
    yield [text(at, 100), archive.subarray(start, start + size)];
    at = start + 512 * Math.ceil(size / 512);
  }
}

/** Uses SwiftShader's Vulkan loader if the machine has none. */
function findLavapipe({ environment: { LD_LIBRARY_PATH = '' } }: SoftwareAdapter): SoftwareAdapter {
  const name = 'lavapipe';
  const [driver] = globSync('/usr/share/vulkan/icd.d/lvp_icd*.json');
  if (driver === undefined) return { name, absent: 'Mesa’s lavapipe is not installed', environment: {} };
  const environment = { LD_LIBRARY_PATH, VK_ICD_FILENAMES: driver };
  const version = mesaVersion(environment);
  if (version !== undefined && version >= OLDEST_MESA) return { name, environment };
  return {
    name,
    absent: `expected Mesa ${OLDEST_MESA} or later, got ${version ?? 'no adapter'}`,
    environment,
  };
}

/** Major version from the adapter's description: "Mesa 25.0.7 (LLVM 19.1.7)". */
function mesaVersion(environment: SoftwareAdapter['environment']): number | undefined {
  const script = `
    import { create } from 'webgpu';
    const adapter = await create([]).requestAdapter();
    console.log(adapter?.info.description);
  `;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: resolve(MODULES, '..'),
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  const version = /Mesa (\d+)/.exec(stdout)?.[1];
  return version === undefined ? undefined : Number(version);
}
