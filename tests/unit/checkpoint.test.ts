/** What checkpoints are to the engine, beyond the numbers that tests/model compares. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { OPTIONS } from '../../cli/arguments/options.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readCheckpoint } from '../../core/checkpoint/folder.ts';
import { ON_LOAD_TYPES, quantizedOnLoad } from '../../core/quantize/on-load.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { describeShared } from '../shared.ts';

const root = mkdtempSync(join(tmpdir(), 'percept-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Gives the tensors of a safetensors file other names; their bytes stay. */
function rename(file: string, change: (name: string) => string): void {
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = Object.entries(JSON.parse(bytes.toString('utf8', 8, end)));
  const renamed = Buffer.from(
    JSON.stringify(Object.fromEntries(header.map(([name, value]) => [change(name), value]))),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(renamed.length));
  writeFileSync(file, Buffer.concat([length, renamed, bytes.subarray(end)]));
}

function copyOf(folder: string, name: string): string {
  const to = join(root, name);
  cpSync(folder, to, { recursive: true });
  return to;
}

function changeConfig(folder: string, change: (config: Record<string, unknown>) => object): void {
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
}

describeShared('a checkpoint', (path) => {
  const qwen = () => path('goldens/architectures/qwen3');

  it('of a model that also sees has its text part', async () => {
    const folder = copyOf(qwen(), 'vision');
    const config = join(folder, 'config.json');
    const text = JSON.parse(readFileSync(config, 'utf8'));
    writeFileSync(config, JSON.stringify({ model_type: 'other', vision_config: {}, text_config: text }));
    rename(join(folder, 'model.safetensors'), (name) => name.replace(/^model\./, 'model.language_model.'));
    const [whole, part] = [await readCheckpoint(qwen()), await readCheckpoint(folder)];
    expect([...part.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    expect(part.metadata.get('qwen3.block_count')).toBe(whole.metadata.get('qwen3.block_count'));
  });

  it('with a tensor that no one knows is refused in words', async () => {
    const folder = copyOf(qwen(), 'unknown');
    rename(join(folder, 'model.safetensors'), (name) => name.replace('mlp.up_proj', 'mlp.sideways'));
    await expect(readCheckpoint(folder)).rejects.toThrow('mlp.sideways.weight" is not supported yet');
  });

  it.each([
    ['hidden_act', 'relu', 'The function "relu" in a model of type qwen3 is not supported yet'],
    [
      'rope_scaling',
      { rope_type: 'spiral' },
      'Expected positions to be rotated in one of the ways default, linear',
    ],
  ])('with another %s than its family computes is refused in words', async (key, value, message) => {
    const folder = copyOf(qwen(), `other-${key}`);
    changeConfig(folder, ({ rope_parameters: _, ...config }) => ({ ...config, [key]: value }));
    await expect(readCheckpoint(folder)).rejects.toThrow(message);
  });

  it.each([
    // What transformers adds there is no setting: the length of queries and keys, and latent rows.
    ['qwen3-next', 1e-6 / 16],
    ['deepseek-v3', 1e-6],
  ])('of %s has norms whose eps is not that of its config', async (name, eps) => {
    const folder = copyOf(path(`goldens/architectures/${name}`), `eps-${name}`);
    changeConfig(folder, (config) => ({ ...config, rms_norm_eps: 3e-4 }));
    const { ops } = graphFromGguf(await readCheckpoint(folder));
    const all = new Set(ops.flatMap((op) => (op.op === 'norm' ? [op.eps] : [])));
    expect(all).toEqual(new Set([eps, 3e-4]));
  });

  it('of Nemotron-H has a head of its own, whatever its config says', async () => {
    const folder = copyOf(path('goldens/architectures/nemotron-h'), 'tied');
    changeConfig(folder, (config) => ({ ...config, tie_word_embeddings: true }));
    expect((await readCheckpoint(folder)).tensors.has('output.weight')).toBe(true);
  });

  it('without a tokenizer reads no text', async () => {
    const folder = copyOf(qwen(), 'silent');
    rmSync(join(folder, 'tokenizer.json'));
    const tokenizer = tokenizerFromGguf(await readCheckpoint(folder));
    expect(() => tokenizer.encode('hi')).toThrow('The model has no tokenizer, so it reads no text.');
    expect(tokenizer.decode([1, 2])).toBe('');
  });

  it('is quantized in its matrices only', async () => {
    const { tensors } = quantizedOnLoad(await readCheckpoint(qwen()), 'Q8_0');
    expect(tensors.get('blk.0.ffn_up.weight')!.type).toBe('Q8_0');
    expect(tensors.get('blk.0.attn_norm.weight')!.type).toBe('F32');
    expect(() => quantizedOnLoad({ tensors } as never, 'Q9')).toThrow('got Q9.');
  });

  it('is quantized to the types that the option lists', () => {
    expect([...OPTIONS.quantize.choices!].sort()).toEqual([...ON_LOAD_TYPES].sort());
  });
});
