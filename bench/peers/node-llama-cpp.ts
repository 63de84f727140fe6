/** node-llama-cpp as a peer, from a folder that the user names or from npm's global folder. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../../errors.ts';
import { type Runner, type RunnerTarget, tokenIds } from '../runner.ts';
import type { SpeedTest } from '../speed-test.ts';

/** The part of node-llama-cpp 3.22's interface used here. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<Llama>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
interface LlamaModel {
  createContext(options: object): Promise<{ getSequence(): Sequence }>;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
  evaluate(tokens: number[], options: object): AsyncIterable<number>;
}

/**
 * Looks for the package in `folder` first. The working directory counts only where it is named: importing from there
 * would run the code of whoever wrote it.
 */
export async function nodeLlamaCpp(target: RunnerTarget, folder?: string): Promise<Runner> {
  const { path: modelPath, threads, contextLength, vocabulary } = target;
  const places = [...(folder === undefined ? [] : [resolve(folder)]), await globalFolder()];
  const llama = await elsewhere(async () => {
    const { getLlama } = await importFrom(places);
    return getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
  });
  const model = await llama.loadModel({ modelPath });
  const contextSize = contextLength + 1; // with the last token of a run
  const context = await model.createContext({ contextSize, threads, batchSize: 512, flashAttention: true });
  const sequence = context.getSequence();
  return {
    name: 'node-llama-cpp',
    canRun: ({ batch }) => batch === 1,
    run: (test) => run(sequence, test, vocabulary),
    dispose: () => llama.dispose(),
  };
}

/** Writing includes, for each token, a greedy choice and a step through JavaScript. */
async function run(sequence: Sequence, test: SpeedTest, vocabulary: number): Promise<number> {
  const { kind, tokens, depth } = test;
  await sequence.clearHistory();
  if (depth > 0) await sequence.evaluateWithoutGeneratingNewTokens(tokenIds(0, depth, vocabulary));
  const start = performance.now();
  if (kind === 'pp') {
    await sequence.evaluateWithoutGeneratingNewTokens(tokenIds(depth, tokens, vocabulary));
  } else {
    let written = 0;
    for await (const _ of sequence.evaluate(tokenIds(depth, 1, vocabulary), {
      temperature: 0,
      yieldEogToken: true,
    })) {
      if (++written === tokens) break;
    }
  }
  return tokens / ((performance.now() - start) / 1e3);
}

/** Runs `work` in a folder of our own: llama.cpp takes its backends from the working directory, too. */
async function elsewhere<T>(work: () => Promise<T>): Promise<T> {
  const folder = process.cwd();
  process.chdir(import.meta.dirname);
  try {
    return await work();
  } finally {
    process.chdir(folder);
  }
}

async function importFrom(places: readonly (string | undefined)[]): Promise<NodeLlamaCpp> {
  const causes: unknown[] = [];
  for (const place of places) {
    if (place === undefined) continue;
    try {
      const entry = createRequire(join(place, 'any.js')).resolve('node-llama-cpp');
      return (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
    } catch (cause) {
      causes.push(cause);
    }
  }
  const named = places.length > 1 ? `from ${places[0]} ` : '';
  throw new UserError(
    `The package node-llama-cpp does not load ${named}${named && 'or '}from npm's global folder.`,
    'Run npm install -g node-llama-cpp, or name the folder that has it: --peer node-llama-cpp=FOLDER.',
    { cause: causes[0] },
  );
}

/** The parent of npm's global node_modules; undefined without npm. */
async function globalFolder(): Promise<string | undefined> {
  const shell = process.platform === 'win32';
  const cwd = import.meta.dirname; // npm reads settings in the working directory, Windows takes programs from there
  try {
    const { stdout } = await promisify(execFile)('npm', ['root', '-g'], { cwd, shell });
    return join(stdout.trim(), '..');
  } catch {
    return undefined;
  }
}
