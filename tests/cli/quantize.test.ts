/** percept convert and percept quantize, on a tiny checkpoint. */
import { copyFileSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeShared } from '../shared.ts';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

describeShared('percept convert and percept quantize', (path) => {
  const checkpoint = () => path('goldens/architectures/llama');
  const ask = async (model: string) => {
    const args = [
      'run',
      '-m',
      model,
      '--prompt-ids',
      '1,2,3',
      '--json',
      '--max-tokens',
      '6',
      '--temperature',
      '0',
    ];
    return JSON.parse((await percept([...args, '--no-save'])).stdout).ids;
  };

  it('write files that answer as the folder does', async () => {
    const file = join(emptyFolder(), 'model.gguf');
    const converted = await percept(['convert', checkpoint(), file]);
    expect(converted).toMatchObject({ code: 0, stdout: `${file}\n` });
    expect(await ask(file)).toEqual(await ask(checkpoint()));

    const small = join(emptyFolder(), 'small.gguf');
    const quantized = await percept(['quantize', file, 'q8_0', small, '--json']);
    expect(JSON.parse(quantized.stdout)).toMatchObject({ path: small, type: 'Q8_0' });
    expect(statSync(small).size).toBeLessThan(statSync(file).size / 2);
    expect(await ask(small)).toEqual(await ask(checkpoint()));
  });

  it('say which rows are no whole blocks', async () => {
    const file = join(emptyFolder(), 'mixed.gguf');
    const { code, stderr } = await percept(['quantize', checkpoint(), 'Q4_K_M', file]);
    expect(code).toBe(0);
    expect(stderr).toContain('tensors have rows that are no whole blocks of its type');
    expect(await ask(file)).toHaveLength(6);
  });

  it('refuse what would lose or overwrite something, and leave it as it is', async () => {
    const own = join(emptyFolder(), 'own.gguf');
    copyFileSync(TINY_MODEL, own);
    const twice = await percept(['quantize', own, 'Q4_0']);
    expect(twice.stderr).toMatch(/is quantized already, as Q8_0[\s\S]*to quantize twice loses twice/);
    const over = await percept(['convert', own, own]);
    expect(over.stderr).toContain('is the model that is read');
    expect(existsSync(`${own}.partial`)).toBe(false);
    const wrong = await percept(['quantize', own, 'Q9']);
    expect(wrong.stderr).toMatch(/got "Q9"[\s\S]*For example: percept quantize/);
    for (const { code } of [twice, over, wrong]) expect(code).not.toBe(0);
  });
});
