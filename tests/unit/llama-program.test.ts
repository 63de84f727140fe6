/** The llama architecture as tensors and as a program, without a file and without computing. */
import { describe, expect, it } from 'vitest';
import type { Op, Program } from '../../backends/backend.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { buildLlama, llamaTensors } from '../../core/architectures/llama.ts';
import type { ModelConfig } from '../../core/config.ts';
import type { Gguf, GgufTensor } from '../../core/gguf.ts';
import { checkTensors, handOver, type TensorSpec } from '../../core/weights.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';

const CONFIG: ModelConfig = {
  architecture: 'llama',
  nLayers: 2,
  embeddingLength: 64,
  feedForwardLength: 160,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 24, // heads together are wider than the embedding
  vocabularySize: 320,
  contextLength: 256,
  rmsEps: 1e-6,
  rope: { layout: 'interleaved', inverseFrequencies: new Array(12).fill(1) },
  tiedHead: true,
};

/** A file that holds the specs' tensors, all of one type. */
function file(specs: Iterable<TensorSpec>, type: TensorType = 'F32'): Gguf {
  const tensors = Array.from(specs, ({ name, rows, cols }): [string, GgufTensor] => {
    const shape = rows === 1 ? [cols] : [cols, rows];
    return [name, { name, type, shape, offset: 0, bytes: 0 }];
  });
  return {
    path: 'tiny.gguf',
    version: 3,
    fileBytes: 0,
    alignment: 32,
    metadata: new Map(),
    tensors: new Map(tensors),
  };
}

function tensor(name: string, ...shape: number[]): [string, GgufTensor] {
  return [name, { name, type: 'F32', shape, offset: 0, bytes: 0 }];
}

const required = (config = CONFIG) => [...llamaTensors(config)].filter(({ optional }) => !optional);

describe('llamaTensors', () => {
  it('lists nine tensors a layer, embedding, norm and head', () => {
    expect(required()).toHaveLength(2 * 9 + 3);
    expect(required().filter(({ name }) => name === 'token_embd.weight')).toHaveLength(2);
    expect(required({ ...CONFIG, tiedHead: false }).at(-1)).toMatchObject({
      name: 'output.weight',
      rows: 320,
    });
  });
});

describe('checkTensors', () => {
  it('returns what the file holds, with the optional ones it has', () => {
    const gguf = file(required());
    expect(checkTensors(gguf, llamaTensors(CONFIG))).toEqual(required());
    const biased = { ...gguf, tensors: new Map([...gguf.tensors, tensor('blk.1.attn_q.bias', 96)]) };
    expect(checkTensors(biased, llamaTensors(CONFIG)).map(({ name }) => name)).toContain('blk.1.attn_q.bias');
  });

  it.each([
    [
      'a shape',
      [tensor('blk.0.ffn_up.weight', 160, 64)],
      'blk.0.ffn_up.weight with shape [64, 160], found [160, 64].',
    ],
    [
      'a dimension more',
      [tensor('output_norm.weight', 64, 1, 2)],
      'output_norm.weight with shape [64], found [64, 1, 2].',
    ],
    [
      'a bias of another size',
      [tensor('blk.0.attn_k.bias', 96)],
      'blk.0.attn_k.bias with shape [48], found [96].',
    ],
    [
      'a tensor that would be left out',
      [tensor('blk.0.attn_q_norm.weight', 24)],
      'The tensor blk.0.attn_q_norm.weight belongs to no model',
    ],
  ])('refuses %s', (_, changes, message) => {
    const gguf = file(required());
    const changed = { ...gguf, tensors: new Map([...gguf.tensors, ...changes]) };
    expect(() => checkTensors(changed, llamaTensors(CONFIG))).toThrow(message);
  });

  it('ends at the first layer that is not there, however many are claimed', () => {
    const claimed = { ...CONFIG, nLayers: 2 ** 31 - 1 };
    const message = 'Expected the tensor blk.2.attn_norm.weight with shape [64], found no such tensor.';
    expect(() => checkTensors(file(required()), llamaTensors(claimed))).toThrow(message);
  });

  it('says so where there is only a vocabulary', () => {
    expect(() => checkTensors(file([]), llamaTensors(CONFIG))).toThrow(
      'found only a vocabulary in tiny.gguf',
    );
  });
});

describe('handOver', () => {
  it('gives every tensor one id, a tied head that of the embedding', () => {
    const ids = handOver(new ReferenceBackend(), file(required()), required());
    expect([...ids.values()]).toEqual([...Array(2 * 9 + 2).keys()]);
  });

  it('names the first tensor of a type the backend does not compute', () => {
    const gguf = file(required(), 'IQ2_S');
    expect(() => handOver(new ReferenceBackend(), gguf, required())).toThrow(
      'token_embd.weight: IQ2_S is not supported yet',
    );
  });
});

describe('buildLlama', () => {
  for (const [name, config, biases] of [
    ['tied', CONFIG, false],
    ['untied', { ...CONFIG, tiedHead: false }, false],
    ['with biases', CONFIG, true],
  ] as const) {
    it(`fits together, ${name}`, () => {
      const specs = [...llamaTensors(config)].filter(({ optional }) => biases || !optional);
      const ids = new Map(specs.map(({ name }, id) => [name, id]));
      const graph = buildLlama(config, ids);
      const used = widths(graph, specs);
      expect(used).toEqual(new Set(ids.values())); // every tensor is computed with
      expect(graph.buffers[graph.logits]).toBe(320);
    });
  }

  it('norms, attends and feeds forward, in every layer', () => {
    const { ops } = buildLlama(CONFIG, new Map());
    const layer = [
      'rms-norm matmul matmul matmul rope rope attention matmul add',
      'rms-norm matmul matmul silu mul matmul add',
    ].join(' ');
    expect(ops.map(({ op }) => op).join(' ')).toBe(`embed ${layer} ${layer} select rms-norm matmul`);
    const layers = ops.flatMap((op) => (op.op === 'attention' ? [op.layer] : []));
    expect(layers).toEqual([0, 1]);
  });
});

/** Checks the columns of every buffer an op reads or writes; returns the ids of the weights used. */
function widths(
  { buffers, ops }: Pick<Program, 'buffers' | 'ops'>,
  specs: readonly TensorSpec[],
): Set<number> {
  const used = new Set<number>();
  const weight = (id: number) => {
    used.add(id);
    return specs[id]!;
  };
  const check = (op: Op, buffer: number, cols: number) =>
    expect(buffers[buffer], JSON.stringify(op)).toBe(cols);
  for (const op of ops) {
    switch (op.op) {
      case 'embed':
        check(op, op.out, weight(op.table).cols);
        break;
      case 'rms-norm':
        check(op, op.x, weight(op.weight).cols);
        check(op, op.out, weight(op.weight).cols);
        break;
      case 'matmul':
        check(op, op.x, weight(op.weight).cols);
        check(op, op.out, weight(op.weight).rows);
        if (op.bias !== undefined) check(op, op.out, weight(op.bias).cols);
        break;
      case 'attention':
        for (const buffer of [op.q, op.out]) check(op, buffer, CONFIG.nHeads * CONFIG.headDim);
        for (const buffer of [op.k, op.v]) check(op, buffer, CONFIG.nKvHeads * CONFIG.headDim);
        break;
      case 'rope':
        check(op, op.x, op.heads * CONFIG.headDim);
        check(op, op.out, op.heads * CONFIG.headDim);
        break;
      case 'mul':
      case 'add':
        check(op, op.a, buffers[op.out]!);
        check(op, op.b, buffers[op.out]!);
        break;
      default:
        check(op, op.x, buffers[op.out]!);
    }
  }
  return used;
}
