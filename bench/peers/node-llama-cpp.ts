/** node-llama-cpp as a peer, where the user's own project or the global folder of npm has it. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../../errors.ts';
import { type Runner, type RunnerTarget, tokenIds } from '../runner.ts';
import type { SpeedTest } from '../speed-test.ts';

/** The part of node-llama-cpp 3.22's interface that is used. */
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

/** `folder` is where it is looked for first; default: the working directory. */
export async function nodeLlamaCpp(target: RunnerTarget, folder = process.cwd()): Promise<Runner> {
  const { getLlama } = await importFrom(folder);
  const { path: modelPath, threads, contextLength, vocabulary } = target;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath });
  const contextSize = contextLength + 1; // it holds the token that a run ends with, too
  const context = await model.createContext({ contextSize, threads, batchSize: 512, flashAttention: true });
  const sequence = context.getSequence();
  return {
    name: 'node-llama-cpp',
    canRun: ({ batch }) => batch === 1,
    run: (test) => run(sequence, test, vocabulary),
    dispose: () => llama.dispose(),
  };
}

/** Its writing includes a greedy choice and a step through JavaScript a token. */
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
    `Expected the package node-llama-cpp in ${folder} or among the global ones of npm, found none that loads.`,
    'npm install node-llama-cpp, and run percept bench in that folder.',
    { cause: causes[0] },
  );
}

/** Above npm's global node_modules; undefined without npm. */
async function globalFolder(): Promise<string | undefined> {
  const isWindows = process.platform === 'win32';
  try {
    const { stdout } = await promisify(execFile)('npm', ['root', '-g'], { shell: isWindows });
    return join(stdout.trim(), '..');
  } catch {
    return undefined;
  }
}
