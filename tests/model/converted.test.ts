/** Checkpoints written as GGUF files: llama.cpp's converter makes the same tensors, and transformers the same logits. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ReferenceBackend } from '../../backends/reference.ts';
import { readCheckpoint } from '../../core/checkpoint/folder.ts';
import { type Gguf, readGguf } from '../../core/gguf/index.ts';
import { loadModel } from '../../core/model.ts';
import { chooseTypes } from '../../core/quantize/presets.ts';
import { writeModel } from '../../core/quantize/write.ts';
import { describeShared } from '../shared.ts';
import { CHECKPOINTS, FOLDERS } from './checkpoints.ts';
import { distance, logitsOf } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

const root = mkdtempSync(join(tmpdir(), 'percept-converted-'));
afterAll(() => rmSync(root, { recursive: true }));

async function convert(folder: string, name: string): Promise<string> {
  const out = join(root, `${name}.gguf`);
  const gguf = await readCheckpoint(folder);
  await writeModel(gguf, out, { types: chooseTypes(gguf, 'F32').types, preset: 'F32', threads: 2 });
  return out;
}

/** Keys that say where a file comes from, and the tokenizer, which tests/unit/tokenizer-json.test.ts compares. */
const ASIDE = /^general\.(?!architecture$|alignment$)|^tokenizer\.|yarn_log_multiplier$/;

function numberOrList(value: unknown): unknown {
  if (typeof value === 'number') return Math.fround(value);
  return typeof value === 'object' ? Array.from(value as ArrayLike<number>, Number) : value;
}

/** The bytes of a tensor, or those of floats rounded to 20 bits: factors of angles differ in the last ones. */
function contentOf({ path, tensors }: Gguf, name: string): Buffer {
  const { offset, bytes } = tensors.get(name)!;
  const content = readFileSync(path).subarray(offset, offset + bytes);
  if (name !== 'rope_freqs.weight') return content;
  const floats = new Float32Array(Uint8Array.from(content).buffer);
  return Buffer.from(floats.map((x) => Math.round(x * 1e5) / 1e5).buffer);
}

describeShared('a converted checkpoint', (path) => {
  it.each(CHECKPOINTS)("%s has the metadata and tensors of llama.cpp's", async (name) => {
    const ours = await readGguf(await convert(path(`goldens/architectures/${name}`), name));
    const theirs = await readGguf(path(`goldens/architectures-gguf/${name}.gguf`));
    for (const [key, value] of theirs.metadata) {
      if (!ASIDE.test(key)) expect(numberOrList(ours.metadata.get(key)), key).toEqual(numberOrList(value));
    }
    expect([...ours.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const [tensor, { type, shape }] of theirs.tensors) {
      expect(ours.tensors.get(tensor), tensor).toMatchObject({ type, shape });
      expect(contentOf(ours, tensor).equals(contentOf(theirs, tensor)), tensor).toBe(true);
    }
  });

  it.each(FOLDERS.filter((place) => !CHECKPOINTS.includes(place.split('/').at(-1)!)))(
    '%s has the logits of transformers',
    async (place) => {
      const file = await convert(path(`goldens/${place}`), place.replaceAll('/', '-'));
      const golden = JSON.parse(readFileSync(path(`goldens/${place}/golden.json`), 'utf8'));
      const expected = readSafetensors(path(`goldens/${place}/golden.safetensors`))('logits');
      const model = await loadModel(file, { backend: async () => new ReferenceBackend() });
      const rows = await Array.fromAsync(logitsOf(model, golden.input_ids));
      await model.dispose();
      const logits = rows.flatMap((row) => [...row]);
      expect(distance(logits, expected)).toBeLessThan(1e-4);
    },
  );
});
