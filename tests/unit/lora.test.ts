/** Adapters as files: both formats, what is refused, and damaged ones. Their numbers are compared in tests/model. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { readAdapters } from '../../core/lora/adapter.ts';
import { adapterChoice } from '../../core/lora/choice.ts';
import { loadModel } from '../../core/model.ts';
import { UserError } from '../../errors.ts';
import { ggufAdapter, type Half, matrix, peftAdapter } from '../adapter-files.ts';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';
import { logitsOf } from '../model/logits.ts';
import { seeded } from '../random.ts';

const C = 256; // columns of the tiny model
const base = readGguf(TINY_MODEL);
const PEFT = 'base_model.model.model.layers.0.mlp.down_proj';
const GGUF = 'blk.0.ffn_down.weight';

async function widthOf(name: string): Promise<number> {
  return (await base).tensors.get(name)!.shape[0]!;
}

async function halves(a: string, b: string, rank = 4): Promise<Half[]> {
  return [matrix(a, rank, await widthOf(GGUF)), matrix(b, C, rank, 2)];
}

/** Everything that loading reads of an adapter before the backend does. */
async function load(...lora: string[]): Promise<void> {
  graphFromGguf(await base, { adapters: await readAdapters(lora, await base) });
}

it('reads a file with its factor', () => {
  expect(adapterChoice('a/b.gguf')).toEqual({ path: 'a/b.gguf', factor: 1 });
  expect(adapterChoice('a=b=0.5')).toEqual({ path: 'a=b', factor: 0.5 });
  expect(adapterChoice('a=-.5e1')).toEqual({ path: 'a', factor: -5 });
  expect(adapterChoice('a=1=1')).toEqual({ path: 'a=1', factor: 1 });
  expect(() => adapterChoice('')).toThrow('Expected the file of an adapter.');
});

it('computes the same with an adapter in either format', async () => {
  const folder = emptyFolder();
  const peft = peftAdapter(
    join(folder, 'peft'),
    await halves(`${PEFT}.lora_A.weight`, `${PEFT}.lora_B.weight`),
  );
  const gguf = ggufAdapter(join(folder, 'a.gguf'), await halves(`${GGUF}.lora_a`, `${GGUF}.lora_b`));
  const rowsOf = async (...lora: string[]) => {
    const model = await loadModel(TINY_MODEL, { backend: 'cpu', contextLength: 64, lora });
    const rows = await Array.fromAsync(logitsOf(model, [1, 2, 3]));
    await model.dispose();
    return rows;
  };
  const [alone, first, second] = [await rowsOf(), await rowsOf(peft), await rowsOf(gguf)];
  expect(second).toEqual(first);
  expect(first).not.toEqual(alone);
  expect(await rowsOf(`${peft}=0`)).toEqual(alone);
});

it('refuses in words what it cannot apply', async () => {
  const folder = emptyFolder();
  const at = (name: string) => join(folder, name);
  const good = await halves(`${PEFT}.lora_A.weight`, `${PEFT}.lora_B.weight`);
  const [a, b] = good as [Half, Half];
  const cases: [string, string][] = [
    [peftAdapter(at('half'), [a]), 'only one half of the pair for blk.0.ffn_down.weight'],
    [peftAdapter(at('rank'), [a, matrix(b.name, C, 5)]), 'do not fit: A is [4,'],
    [peftAdapter(at('shape'), [matrix(a.name, 4, 7), b]), 'Expected an adapter of blk.0.ffn_down with A [4,'],
    [peftAdapter(at('dora'), good, { use_dora: true }), 'use_dora, which is not supported'],
    [peftAdapter(at('ia3'), good, { peft_type: 'IA3' }), 'the method "IA3"'],
    [peftAdapter(at('saved'), [...good, matrix('base_model.model.lm_head.weight', 4, C)]), 'lm_head.weight'],
    [peftAdapter(at('pattern'), good, { alpha_pattern: { '(a+)+$': 1 } }), 'the pattern "(a+)+$"'],
    [peftAdapter(at('nothing'), []), 'changes nothing'],
    [ggufAdapter(at('other.gguf'), [], 'gemma3'), 'is made for models of the architecture "gemma3"'],
    [TINY_MODEL, 'Expected '],
    [at('absent'), 'There is no adapter at'],
    [
      ggufAdapter(at('norm.gguf'), [
        matrix('blk.0.attn_norm.weight.lora_a', 1, C),
        matrix('blk.0.attn_norm.weight.lora_b', 1, 1),
      ]),
      'changes blk.0.attn_norm.weight, which this model does not have or percept cannot adapt yet',
    ],
  ];
  for (const [path, words] of cases) {
    const error = await load(path).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error, path).toBeInstanceOf(UserError);
    expect(String(error), path).toContain(words);
  }
});

it('takes the scale of a module out of its pattern', async () => {
  const names = [`${PEFT}.lora_A.weight`, `${PEFT}.lora_B.weight`] as const;
  const config = { alpha_pattern: { 'mlp.down_proj': 16 }, lora_alpha: 4, use_rslora: true };
  const adapter = peftAdapter(join(emptyFolder(), 'a'), await halves(...names), config);
  const [read] = await readAdapters([adapter], await base);
  const { source } = read!.pairs.get(GGUF)!.b;
  expect(source).toMatchObject({ op: 'map', fn: 'multiply', by: 16 / Math.sqrt(4) });
});

it('refuses damaged adapters in words', async () => {
  const folder = emptyFolder();
  const peft = peftAdapter(join(folder, 'p'), await halves(`${PEFT}.lora_A.weight`, `${PEFT}.lora_B.weight`));
  const gguf = ggufAdapter(join(folder, 'g.gguf'), await halves(`${GGUF}.lora_a`, `${GGUF}.lora_b`));
  const files = [join(peft, 'adapter_model.safetensors'), join(peft, 'adapter_config.json'), gguf];
  let refused = 0;
  for (let seed = 0; seed < 300; seed++) {
    const random = seeded(seed);
    const file = files[seed % files.length]!;
    const whole = readFileSync(file);
    const bytes = Buffer.from(whole);
    for (let i = random(4); i >= 0; i--) bytes[random(Math.min(bytes.length, 300))] = random(256);
    writeFileSync(file, random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
    const error = await load(file === gguf ? gguf : peft).then(
      () => undefined,
      (reason) => reason,
    );
    writeFileSync(file, whole);
    if (error === undefined) continue;
    refused++;
    expect(error, `seed ${seed}: ${(error as Error).stack}`).toBeInstanceOf(UserError);
  }
  expect(refused).toBeGreaterThan(100);
});
