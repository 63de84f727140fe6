/** Writes LoRA adapters for tests, in both formats. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeGguf } from './unit/gguf-writer.ts';

export interface Half {
  readonly name: string;
  readonly shape: readonly [rows: number, cols: number];
  readonly data: Float32Array;
}

/** [rows, cols] with numbers that differ. */
export function matrix(name: string, rows: number, cols: number, seed = 1): Half {
  const data = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(seed * 7.1 + i * 1.7) * 0.3);
  return { name, shape: [rows, cols], data };
}

export function safetensors(tensors: readonly Half[]): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...tensors.map(({ data }) => new Uint8Array(data.buffer))]);
}

/** A folder of PEFT. */
export function peftAdapter(folder: string, tensors: readonly Half[], config: object = {}): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'adapter_config.json'),
    JSON.stringify({ peft_type: 'LORA', lora_alpha: 8, ...config }),
  );
  writeFileSync(join(folder, 'adapter_model.safetensors'), safetensors(tensors));
  return folder;
}

/** A GGUF file of llama.cpp's converter. */
export function ggufAdapter(file: string, tensors: readonly Half[], architecture = 'llama'): string {
  const bytes = writeGguf({
    metadata: [
      ['general.type', 'string', 'adapter'],
      ['general.architecture', 'string', architecture],
      ['adapter.type', 'string', 'lora'],
      ['adapter.lora.alpha', 'f32', 8],
    ],
    tensors: tensors.map(({ name, shape, data }) => ({
      ...{ name, shape: shape.toReversed(), data: new Uint8Array(data.buffer) },
    })),
  });
  writeFileSync(file, bytes);
  return file;
}
