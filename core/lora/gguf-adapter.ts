/** Adapters as llama.cpp's convert_lora_to_gguf.py writes them: NAME.lora_a and NAME.lora_b of a model's tensor NAME. */
import { UserError } from '../../errors.ts';
import type { AdapterPair } from '../architectures/adapted.ts';
import { matrixOf, type Stored, scaled } from '../checkpoint/stored.ts';
import { readGguf } from '../gguf/index.ts';
import { optionalNumber, optionalString } from '../gguf/metadata.ts';
import type { Gguf, GgufTensor } from '../gguf/types.ts';
import { fittingPair, lacksHalf } from './pairs.ts';

/** @param architecture of the model */
export async function readGgufAdapter(path: string, architecture: string): Promise<Map<string, AdapterPair>> {
  const gguf = await readGguf(path);
  checkKind(gguf, architecture);
  const alpha = optionalNumber(gguf.metadata, 'adapter.lora.alpha') || undefined;
  const halves = new Map<string, { a?: Stored; b?: Stored }>();
  for (const tensor of gguf.tensors.values()) {
    const found = /^(.+)\.lora_([ab])$/.exec(tensor.name);
    if (!found) throw unknown(path, tensor.name);
    const [, name, half] = found;
    const pair = halves.get(name!) ?? {};
    pair[half as 'a' | 'b'] = storedOf(tensor, gguf.path);
    halves.set(name!, pair);
  }
  const pairs = new Map<string, AdapterPair>();
  for (const [name, { a, b }] of halves) {
    if (!a || !b) throw lacksHalf(path, name);
    const isTable = name === 'token_embd.weight';
    const rank = isTable ? a.shape.at(-1)! : a.shape.at(-2)!;
    pairs.set(
      name,
      fittingPair(path, name, { a, b: scaled(b, alpha === undefined ? 1 : alpha / rank) }, rank),
    );
  }
  return pairs;
}

function checkKind({ metadata, path }: Gguf, architecture: string): void {
  const [type, kind, made] = ['general.type', 'adapter.type', 'general.architecture'].map((key) =>
    optionalString(metadata, key),
  );
  if (type !== 'adapter' || kind !== 'lora') {
    throw new UserError(
      `Expected ${path} to be a LoRA adapter, got general.type ${JSON.stringify(type ?? 'model')}.`,
      'A model is named with --model.',
      { kind: 'usage' },
    );
  }
  if (made !== architecture) {
    throw new UserError(
      `The adapter ${path} is made for models of the architecture "${made}", this one is "${architecture}".`,
      'Use it with the model that it was trained on.',
      { kind: 'usage' },
    );
  }
}

function storedOf({ shape, type, part, offset }: GgufTensor, path: string): Stored {
  const sizes = shape.toReversed();
  const [rows, cols] = matrixOf(sizes);
  return {
    shape: sizes,
    type,
    source: { op: 'range', at: { path: part ?? path, offset }, type, rows, cols },
  };
}

function unknown(path: string, name: string): UserError {
  return new UserError(
    `The tensor ${JSON.stringify(name.slice(0, 80))} of the adapter ${path} is no half of a pair of matrices.`,
    'percept applies adapters of matrices only (.lora_a and .lora_b).',
  );
}
