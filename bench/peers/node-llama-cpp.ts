/** node-llama-cpp as a peer, from the user's own project or npm's global folder. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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

/** Looks for the package in `folder` first; default: the working directory. */
export async function nodeLlamaCpp(target: RunnerTarget, folder = process.cwd()): Promise<Runner> {
  const { getLlama } = await importFrom(folder);
  const { path: modelPath, threads, contextLength, vocabulary } = target;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
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

async function importFrom(folder: string): Promise<NodeLlamaCpp> {
  const causes: unknown[] = [];
  for (const place of [folder, await globalFolder()]) {
    if (place === undefined) continue;
    try {
      const entry = createRequire(join(place, 'any.js')).resolve('node-llama-cpp');
      return (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new UserError(
    `The package node-llama-cpp loads neither from ${folder} nor from npm's global folder.`,
    'Run npm install node-llama-cpp, then percept bench in the same folder.',
    { cause: causes[0] },
  );
}

/** The parent of npm's global node_modules; undefined without npm. */
async function globalFolder(): Promise<string | undefined> {
  const isWindows = process.platform === 'win32';
  try {
    const { stdout } = await promisify(execFile)('npm', ['root', '-g'], { shell: isWindows });
    return join(stdout.trim(), '..');
  } catch {
    return undefined;
  }
}
