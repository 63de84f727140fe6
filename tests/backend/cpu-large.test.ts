/**
 * A model of 6 GB, which 32-bit addresses do not reach: loads it from one file and computes one token. Layer i has the
 * same weights as layer i - 5. So a program over the weights of the first five layers, which fit in one memory, must
 * give the same bits as the whole file in several memories.
 *
 * It writes 6 GB and takes 8 GB of memory and most of a minute, so it runs only with PERCEPT_TEST_LARGE=1.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Executable } from '../../backends/backend.ts';
import type { CpuExecutable } from '../../backends/cpu/executable.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { rewired } from '../../backends/ops.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { type Gguf, readGguf } from '../../core/gguf/index.ts';
import { loadModel } from '../../core/model.ts';
import { estimateMemory } from '../../core/program.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { llamaShapes } from '../llama-graph.ts';
import { titled } from '../titled.ts';
import { type TensorSpec as FileTensor, writeGguf } from '../unit/gguf-writer.ts';
import { lastRows } from './steps.ts';

const LAYERS = 22;
const PERIOD = 5; // layers until the weights repeat
const VOCABULARY = 320;
const SIZES = { contextLength: 256, sequences: 2, maxTokens: 64, kvType: 'f16' } as const;
const CONFIG = {
  nLayers: LAYERS,
  embeddingLength: 4096,
  feedForwardLength: 14_336,
  nHeads: 32,
  nKvHeads: 8,
  headDim: 128,
  vocabularySize: VOCABULARY,
} as DecoderConfig;

const skipped =
  process.env.PERCEPT_TEST_LARGE === '1' ? undefined : 'it writes 6 GB; PERCEPT_TEST_LARGE=1 runs it';

it.skipIf(skipped)(
  titled('a model of 6 GB loads, and one token has the bits that its first layers give', skipped),
  { timeout: 600_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percept-large-'));
    try {
      const path = join(folder, 'large.gguf');
      writeModel(path);
      const gguf = await readGguf(path);
      expect(gguf.fileBytes).toBeGreaterThan(6e9);
      const logits = await whole(path);
      expect(logits).toHaveLength(VOCABULARY);
      expect(await firstLayers(gguf)).toEqual(logits);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** Logits of the file's model, a prompt and one token in a second sequence. */
async function whole(path: string): Promise<number[]> {
  const start = performance.now();
  const model = await loadModel(path, { backend: 'cpu', ...SIZES });
  const { graph, executable } = model;
  const loaded = performance.now();
  const logits = await oneToken(executable);
  const done = performance.now();
  const { stages, memory } = executable as CpuExecutable;
  const estimate = estimateMemory(graph, SIZES);
  const seconds = { load: (loaded - start) / 1e3, tokens: (done - loaded) / 1e3 };
  const peakBytes = 1024 * process.resourceUsage().maxRSS;
  process.stdout.write(`${JSON.stringify({ seconds, stages, memory, estimate, peakBytes })}\n`);
  expect(new Set(stages).size).toBeGreaterThan(1);
  expect(memory.weights).toBeGreaterThan(6e9);
  expect(total(estimate)).toBeGreaterThan(0.98 * total(memory));
  await model.dispose();
  return logits;
}

/** The same logits from the first layers, repeated. */
async function firstLayers(gguf: Gguf): Promise<number[]> {
  const { tensors, ops, output, states } = graphFromGguf(gguf);
  const backend = await createCpuBackend();
  const ids = new Map<string, number>();
  for (const { name, type, rows, cols, offset } of tensors) {
    if (name !== repeated(name)) continue;
    ids.set(name, backend.weight({ name, type, rows, cols }, { path: gguf.path, offset }));
  }
  const weight = (i: number) => ids.get(repeated(tensors[i]!.name))!;
  const executable = await backend.compile({
    name: 'first layers',
    ops: ops.map((op) => rewired(op, { weight })),
    output,
    states,
    limits: SIZES,
  });
  expect((executable as CpuExecutable).stages).toEqual([0]);
  const logits = await oneToken(executable);
  await backend.dispose();
  return logits;
}

async function oneToken(executable: Executable): Promise<number[]> {
  await executable.submit({ slices: [{ seq: 0, pos: 0, tokens: [1, 7, 300, 42, 5] }] });
  executable.kvCopy(0, 1, 4);
  return [...(await lastRows(executable, { seq: 1, pos: 4, tokens: [17] }))];
}

function total({ weights, kv, arena }: { weights: number; kv: number; arena: number }): number {
  return weights + kv + arena;
}

/** The tensor of the first layers with the same weights. */
function repeated(name: string): string {
  return name.replace(/^blk\.(\d+)/, (_, layer) => `blk.${layer % PERIOD}`);
}

/** Every fifth layer in F16, the others in Q8_0. */
function typeOf(name: string, rows: number): TensorType {
  if (rows === 1) return 'F32';
  return /^blk\.0\./.test(repeated(name)) ? 'F16' : 'Q8_0';
}

/** Writes the header, then every tensor from a pool of random blocks, starting at a different place for each tensor. */
function writeModel(path: string): void {
  const specs = llamaShapes(CONFIG).map(([name, shape]) => ({ name, shape }));
  const tensors: FileTensor[] = [];
  let end = 0;
  for (const { name, shape } of specs) {
    const [cols = 1, rows = 1] = shape;
    const type = typeOf(name, rows);
    tensors.push({ name, type, shape, offset: end, data: new Uint8Array() });
    end += rows * rowBytes(type, cols);
  }
  const header = writeGguf({ metadata: metadata(), tensors });
  const pools = { F32: pool('F32', 1), F16: pool('F16', 0.03), Q8_0: pool('Q8_0', 0.03) };
  const file = openSync(path, 'w');
  ftruncateSync(file, header.length + end);
  writeSync(file, header, 0, header.length, 0);
  for (const [i, { type, offset, name }] of tensors.entries()) {
    const bytes = Number(tensors[i + 1]?.offset ?? end) - Number(offset);
    const from = pools[type as keyof typeof pools];
    const start = specs.findIndex((spec) => spec.name === repeated(name)) * 34 * 1024; // whole blocks of each type
    for (let done = 0; done < bytes; ) {
      const at = (start + done) % from.length;
      const length = Math.min(bytes - done, from.length - at);
      done += writeSync(file, from, at, length, header.length + Number(offset) + done);
    }
  }
  closeSync(file);
}

/** About 20 MB of random blocks; rows of 4096 and 14336 weights begin at different places each time. */
function pool(type: TensorType, size: number): Uint8Array {
  return randomMatrix(type, 4999, 4064, size).bytes;
}

function metadata(): NonNullable<Parameters<typeof writeGguf>[0]['metadata']> {
  const pieces = ['<unk>', '<s>', '</s>', ...Array.from({ length: VOCABULARY - 3 }, (_, i) => `▁w${i}`)];
  return [
    ['general.architecture', 'string', 'llama'],
    ['llama.block_count', 'u32', LAYERS],
    ['llama.context_length', 'u32', 4096],
    ['llama.embedding_length', 'u32', CONFIG.embeddingLength],
    ['llama.feed_forward_length', 'u32', CONFIG.feedForwardLength],
    ['llama.attention.head_count', 'u32', CONFIG.nHeads],
    ['llama.attention.head_count_kv', 'u32', CONFIG.nKvHeads],
    ['llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5],
    ['tokenizer.ggml.model', 'string', 'llama'],
    ['tokenizer.ggml.tokens', ['array', 'string'], pieces],
    ['tokenizer.ggml.scores', ['array', 'f32'], pieces.map((_, i) => -i)],
    ['tokenizer.ggml.token_type', ['array', 'i32'], pieces.map((_, i) => (i < 3 ? 3 : 1))],
    ['tokenizer.ggml.bos_token_id', 'u32', 1],
    ['tokenizer.ggml.eos_token_id', 'u32', 2],
  ];
}
