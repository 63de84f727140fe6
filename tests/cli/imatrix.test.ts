/** percept quantize --imatrix: the columns that count lose less. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Gguf, readGguf } from '../../core/gguf/index.ts';
import { encodedValue, layOut } from '../../core/gguf/writer.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { describeShared } from '../shared.ts';
import { emptyFolder, percept } from './percept.ts';

/** An imatrix in which every eighth column of every matrix counts a thousand times as much as the others. */
function writeImportance(gguf: Gguf): string {
  const matrices = [...gguf.tensors.values()].filter(({ shape }) => shape.length === 2);
  const tensors = matrices.flatMap(({ name, shape }) => [
    { name: `${name}.in_sum2`, type: 'F32', shape: [shape[0]!, 1] } as const,
    { name: `${name}.counts`, type: 'F32', shape: [1, 1] } as const,
  ]);
  const { header, offsets, bytes } = layOut(
    new Map([['general.type', encodedValue('', 'imatrix')]]),
    tensors,
  );
  const file = new Uint8Array(bytes);
  file.set(header);
  for (const [i, { name, shape }] of tensors.entries()) {
    const numbers = name.endsWith('counts')
      ? [10]
      : Array.from({ length: shape[0] }, (_, column) => (column % 8 === 0 ? 10_000 : 10));
    file.set(new Uint8Array(Float32Array.from(numbers).buffer), offsets[i]!);
  }
  const path = join(emptyFolder(), 'imatrix.gguf');
  writeFileSync(path, file);
  return path;
}

describeShared('percept quantize --imatrix', (path) => {
  it.each(['Q4_K_S', 'Q6_K'])('%s errs less where the columns count', async (preset) => {
    const model = path('goldens/quantization/F32.gguf');
    const importance = writeImportance(await readGguf(model));
    const [plain, weighted] = ['plain', 'weighted'].map((name) => join(emptyFolder(), `${name}.gguf`));
    await percept(['quantize', model, preset, plain!]);
    const { code } = await percept(['quantize', model, preset, weighted!, '--imatrix', importance]);
    expect(code).toBe(0);
    const [counts, others] = [await errors(model, weighted!), await errors(model, plain!)];
    expect(counts.important).toBeLessThan(0.9 * others.important);
    expect(counts.all).toBeLessThan(2 * others.all);
  });

  it('says what is no imatrix', async () => {
    const model = path('goldens/quantization/F32.gguf');
    const { code, stderr } = await percept([
      'quantize',
      model,
      'Q4_K_M',
      '/nowhere/x.gguf',
      '--imatrix',
      model,
    ]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/Expected tensors that end in \.in_sum2 in .*\n.*llama-imatrix/);
  });
});

/** Squared errors of K types: of every eighth column, and of all. */
async function errors(floats: string, quantized: string) {
  const [model, made] = [await readGguf(floats), await readGguf(quantized)];
  const [from, to] = [readFileSync(floats), readFileSync(quantized)];
  let [important, all] = [0, 0];
  for (const { name, type, offset, bytes, shape } of made.tensors.values()) {
    if (!type.endsWith('_K')) continue;
    const { offset: start, bytes: length } = model.tensors.get(name)!;
    const values = new Float32Array(Uint8Array.from(from.subarray(start, start + length)).buffer);
    for (const [i, x] of dequantize(type, Uint8Array.from(to.subarray(offset, offset + bytes))).entries()) {
      const error = (x - values[i]!) ** 2;
      all += error;
      if ((i % shape[0]!) % 8 === 0) important += error;
    }
  }
  expect(all).toBeGreaterThan(0);
  return { important, all };
}
