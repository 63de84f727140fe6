/** Damages checkpoints at random, seeded: each must load as metadata and tensors or be refused with a UserError. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readCheckpoint } from '../../core/checkpoint/folder.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { UserError } from '../../errors.ts';
import { type Random, seeded } from '../random.ts';
import { describeShared } from '../shared.ts';

const root = mkdtempSync(join(tmpdir(), 'percept-checkpoint-fuzz-'));
afterAll(() => rmSync(root, { recursive: true }));

const ODD = [null, true, '', 'x', -1, 0, 0.5, 1e9, 1e300, [], [1e9], {}, { rope_type: 'yarn' }, [null]];

/** Puts an odd value in the place of one somewhere in JSON. */
function damagedJson(text: string, random: Random): string {
  const value = JSON.parse(text);
  let at = value;
  for (;;) {
    const keys = Object.keys(at);
    const key = keys[random(keys.length)]!;
    const inner = at[key];
    if (typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0 && random(3) > 0) {
      at = inner;
      continue;
    }
    if (random(8) === 0) delete at[key];
    else at[key] = ODD[random(ODD.length)];
    return JSON.stringify(value);
  }
}

function damagedBytes(bytes: Buffer, random: Random): Buffer {
  const header = Math.min(bytes.length, 8 + Number(bytes.readBigUInt64LE(0)));
  for (let i = random(4); i >= 0; i--) bytes[random(header)] = random(256);
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

/** Everything that loading reads before the backend does. Resolves to the error, if there is one. */
async function load(folder: string): Promise<unknown> {
  try {
    const gguf = await readCheckpoint(folder);
    graphFromGguf(gguf);
    tokenizerFromGguf(gguf);
    return undefined;
  } catch (error) {
    return error;
  }
}

const CHECKPOINTS = [
  ...[
    'llama',
    'deepseek-v3',
    'falcon-h1',
    'gemma4',
    'gpt-oss',
    'granite-hybrid',
    'nemotron-h',
    'qwen3.5-moe',
  ],
].map((name) => `architectures/${name}`);

describeShared('damaged checkpoints', (path) => {
  for (const checkpoint of [...CHECKPOINTS, 'variants/qwen3-bf16-sharded', 'variants/gpt-oss-mxfp4']) {
    it(`are refused in words: ${checkpoint}`, async () => {
      const name = checkpoint.replaceAll('/', '-');
      const folder = join(root, name);
      cpSync(path(`goldens/${checkpoint}`), folder, { recursive: true });
      expect(await load(folder), 'undamaged').toBeUndefined();
      const files = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
      files.push(checkpoint.includes('sharded') ? 'model.safetensors.index.json' : 'model.safetensors');
      let refused = 0;
      for (let seed = 0; seed < 160; seed++) {
        const random = seeded(seed);
        const file = join(folder, files[seed % files.length]!);
        const whole = readFileSync(file);
        const isJson = file.endsWith('.json');
        writeFileSync(
          file,
          isJson ? damagedJson(whole.toString('utf8'), random) : damagedBytes(Buffer.from(whole), random),
        );
        const error = await load(folder);
        writeFileSync(file, whole);
        if (error === undefined) continue;
        refused++;
        expect(
          error,
          `seed ${seed}, ${files[seed % files.length]}: ${(error as Error).stack}`,
        ).toBeInstanceOf(UserError);
      }
      expect(refused).toBeGreaterThan(20);
    });
  }

  it('name no file outside their folder', async () => {
    const folder = join(root, 'outside');
    cpSync(path('goldens/variants/qwen3-bf16-sharded'), folder, { recursive: true });
    const index = join(folder, 'model.safetensors.index.json');
    for (const name of ['../x.safetensors', '/etc/x.safetensors', 'a/b.safetensors', 'x.bin']) {
      writeFileSync(index, JSON.stringify({ weight_map: { a: name } }));
      expect(String(await load(folder))).toContain('names of .safetensors files beside it');
    }
  });
});
