/**
 * Builds dist/: the AssemblyScript kernels, one module for each class of CPU, bundles of the program, the library and
 * the CPU worker, and the manual page. With --emulated it builds dist/emulated/: kernels for tests only, which are no
 * part of the npm package.
 *
 * It runs on `npm install`, `npm test` and the first `npx percept`. So it skips a part if the hash of its inputs equals
 * its stamp. A part that fails leaves no stamp. esbuild is imported only when needed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { BuildOptions, Metafile, Plugin } from 'esbuild';
import type { DotClass } from '../backends/cpu/wasm-module.ts';
import { SATURATING, SIGNED, UNSIGNED } from '../kernels/wasm/layout.ts';
import { licences } from './third-party.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

/** Inputs of every part besides its sources: versions of the tools, and this script. */
const TOOLCHAIN = ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/build.ts'];

const PROGRAM = { percept: 'cli/main.ts', core: 'core/index.ts' };
const CHUNKS = join(DIST, 'chunks'); // until they are merged
/** Sources whose modules are loaded together: by every command, for the first frame of a chat, and for an answer. */
const START = ['cli/main.ts'];
const FRAME = ['cli/commands/chat.ts', 'cli/tui/chat/start.tsx'];
const ANSWER = [
  'cli/commands/run.ts',
  'cli/sessions/save.ts',
  'cli/chat/loaded-model.ts',
  'cli/stdin-surroundings.ts',
  'core/chat-template/interpreter.ts',
  'core/chat-template/parser.ts',
  'backends/cpu/index.ts',
];
const WORKERS = { 'cpu-worker': 'backends/cpu/worker.ts', 'quantize-worker': 'core/quantize/worker.ts' };
/** Inputs of the bundles besides the program: stand-ins for packages, and the script that collects the licences. */
const BUNDLE_SCRIPTS = ['scripts/no-devtools.ts', 'scripts/string-width.ts', 'scripts/third-party.ts'];

/** Keeps Yoga from fetching its own data: URL. Node would load its HTTP client for that, half the start-up of layout. */
const yogaWithoutFetch: Plugin = {
  name: 'yoga-without-fetch',
  setup({ onLoad }) {
    onLoad({ filter: /yoga-wasm-base64-esm\.js$/ }, ({ path }) => ({
      contents: `const fetch = undefined;\n${readFileSync(path, 'utf8')}`,
    }));
  },
};

/** Resolves string-width to its stand-in, except in the stand-in itself. */
const lateStringWidth: Plugin = {
  name: 'late-string-width',
  setup({ onResolve }) {
    const standIn = join(ROOT, 'scripts/string-width.ts');
    onResolve({ filter: /^string-width$/ }, ({ importer }) =>
      importer === standIn ? undefined : { path: standIn },
    );
  },
};

const BUNDLE: BuildOptions = {
  absWorkingDir: ROOT,
  outdir: DIST,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  charset: 'utf8',
  logLevel: 'warning',
  minifyWhitespace: true, // names stay, for stack traces
  minifySyntax: true,
  plugins: [yogaWithoutFetch, lateStringWidth],
  external: ['webgpu', 'gl'], // webgpu: native files beside its code; gl: an option of gpu.js, not installed
  define: { 'process.env.NODE_ENV': '"production"' }, // the fast build of React
  jsx: 'automatic',
  // CommonJS packages call require for modules of Node, but an ES module has no require.
  banner: {
    js: "import{createRequire as __requireFrom}from'node:module';const require=__requireFrom(import.meta.url);",
  },
  alias: { 'react-devtools-core': join(ROOT, 'scripts/no-devtools.ts') }, // optional in Ink, not needed in the bundle
};

const KERNELS = ['kernels/wasm/**'];
const DOT_CLASSES: Readonly<Record<DotClass, number>> = {
  unsigned: UNSIGNED,
  signed: SIGNED,
  saturating: SATURATING,
};

await inParallel(
  process.argv.includes('--emulated')
    ? [part('emulated/kernels', KERNELS, () => compileKernels('emulated'))]
    : [
        part('kernels', KERNELS, () => compileKernels()),
        part(
          'bundles',
          [...BUNDLE_SCRIPTS, 'errors.ts', '{cli,core,backends,kernels,bench}/**/*.{ts,tsx,json}'],
          bundle,
        ),
      ],
);

/** Runs `make` unless the files matched by `inputs` are those of the last successful run. */
async function part(name: string, inputs: string[], make: () => Promise<void>): Promise<void> {
  const stamp = join(DIST, `${name}.stamp`);
  const hash = hashFiles([...TOOLCHAIN, ...inputs]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  mkdirSync(dirname(stamp), { recursive: true });
  rmSync(stamp, { force: true });
  await make();
  writeFileSync(stamp, hash);
}

/** Awaits all parts and reports every failure. */
async function inParallel(parts: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(parts)).filter((result) => result.status === 'rejected');
  for (const { reason } of failed)
    console.error(`build: ${reason instanceof Error ? reason.message : reason}`);
  if (failed.length > 0) process.exitCode = 1;
}

function hashFiles(patterns: string[]): string {
  const hash = createHash('sha256').update(process.version);
  const files = globSync(patterns, { cwd: ROOT, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of files.map((entry) => join(entry.parentPath, entry.name)).sort()) {
    hash.update(`\0${path.slice(ROOT.length)}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

/**
 * Compiles the same sources for each class of CPU, with other constants (kernels/wasm/constants.d.ts), and the probe
 * that picks a class. Modules import their memory: the backend creates it, shared and as large as the model needs.
 */
async function compileKernels(emulated?: 'emulated'): Promise<void> {
  const folder = join(DIST, emulated ?? '');
  for (const old of globSync('*.wasm', { cwd: folder })) rmSync(join(folder, old));
  const memory = '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536'.split(' ');
  const modules = Object.entries(DOT_CLASSES).map(([name, number]) => {
    const constants = ['--use', `DOT_CLASS=${number}`, '--use', `EMULATED=${emulated ? 1 : 0}`];
    return assemble('index.ts', join(folder, `kernels-${name}.wasm`), [...memory, ...constants]);
  });
  if (!emulated) {
    modules.push(assemble('dot-probe.ts', join(folder, 'dot-probe.wasm'), []));
    modules.push(assemble('encode.ts', join(folder, 'encode.wasm'), ['--importMemory']));
  }
  await Promise.all(modules);
}

async function assemble(source: string, outFile: string, options: readonly string[]): Promise<void> {
  const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
  const flags =
    '-O3 --noAssert --runtime stub --enable simd --enable relaxed-simd --enable threads --noExportMemory';
  const restarted = ['--enable-source-maps']; // without this flag asc starts itself again with it
  const args = [join('kernels/wasm', source), '--outFile', outFile, ...flags.split(' '), ...options];
  await promisify(execFile)(process.execPath, [...restarted, compiler, ...args], { cwd: ROOT });
}

/** Bundles the program in chunks, so that a command loads only its own code, and the worker as one small file. */
async function bundle(): Promise<void> {
  const { build } = await import('esbuild');
  for (const old of globSync('*.js', { cwd: DIST })) rmSync(join(DIST, old));
  const [program] = await Promise.all([
    build({
      ...{ ...BUNDLE, metafile: true, entryPoints: PROGRAM, splitting: true, chunkNames: '[name]-[hash]' },
      outdir: CHUNKS,
    }),
    build({ ...BUNDLE, entryPoints: WORKERS }),
  ]);
  await mergeChunks(program.metafile);
  rmSync(CHUNKS, { recursive: true });
  writeFileSync(join(DIST, 'THIRD-PARTY-LICENSES'), licences(ROOT, Object.keys(program.metafile.inputs)));
  writeFileSync(join(DIST, 'percept.1'), await manual());
}

/**
 * Joins chunks that are loaded together: esbuild makes one for every set of commands that share modules, and Node takes a
 * quarter of a millisecond for each file. An answer loads 13 files instead of 79.
 */
async function mergeChunks({ outputs }: Metafile): Promise<void> {
  const { rolldown } = await import('rolldown');
  const [start, frame, answer] = [START, FRAME, ANSWER].map((sources) => staticClosure(outputs, sources));
  const others = Object.values(outputs).flatMap(({ entryPoint }) =>
    entryPoint && ![...START, ...FRAME, ...ANSWER].includes(entryPoint) ? [entryPoint] : [],
  );
  const elsewhere = staticClosure(outputs, others);
  const fileOf = (id: string) => {
    const chunk = id.slice(ROOT.length + 1).replaceAll('\\', '/'); // as esbuild writes it
    if (start!.has(chunk)) return 'start';
    if (answer!.has(chunk)) return frame!.has(chunk) ? 'frame-answer' : 'answer';
    // What other commands load, too, stays in files of its own: they need not read the screens of the chat.
    return frame!.has(chunk) && !elsewhere.has(chunk) ? 'frame' : undefined;
  };
  const entries = Object.keys(PROGRAM).map((name) => [name, join(CHUNKS, `${name}.js`)]);
  const input = Object.fromEntries(entries);
  const build = await rolldown({
    ...{ input, platform: 'node', treeshake: false, preserveEntrySignatures: 'allow-extension' },
    external: [/^node:/, 'webgpu', 'gl'],
  });
  await build.write({
    ...{ dir: DIST, format: 'esm', chunkFileNames: '[name]-[hash].js' },
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        {
          debugName: 'loaded together',
          name: (id) => fileOf(id)!,
          test: (id) => !Object.values(input).includes(id) && fileOf(id) !== undefined,
        },
      ],
    },
  });
  await build.close();
}

/** The chunks that are loaded with those of the sources. */
function staticClosure(outputs: Metafile['outputs'], sources: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of outputs[path]!.imports) {
      if (kind === 'import-statement' && next in outputs) visit(next);
    }
  };
  for (const [path, { entryPoint }] of Object.entries(outputs)) {
    if (entryPoint && sources.includes(entryPoint)) visit(path);
  }
  return found;
}

/** The manual page, from the tables of commands and options. */
async function manual(): Promise<string> {
  const { manPage } = await import('../cli/arguments/man-page.ts');
  const { COMMANDS } = await import('../cli/commands/index.ts');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return manPage(COMMANDS, version);
}
