import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Gguf } from '../../core/gguf/index.ts';
import { readImportance } from '../../core/quantize/imatrix.ts';
import { chooseTypes, PRESETS, type PresetName, presetOf } from '../../core/quantize/presets.ts';
import { isFloat } from '../../core/quantize/tensor-rules.ts';
import { writeModel } from '../../core/quantize/write.ts';
import { readModel } from '../../core/read-model.ts';
import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { modelFile } from '../model-file.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import { formatBytes } from '../sizes.ts';

/** Writes a model with its weights as another type: percept quantize MODEL TYPE [FILE]. */
export async function quantize(call: Call): Promise<void> {
  const [reference, type, out] = call.operands;
  const preset = presetOf(type ?? '');
  if (reference === undefined || !preset) {
    throw new UserError(
      `Expected a model and one of ${Object.keys(PRESETS).join(', ')}, got ${JSON.stringify(type ?? '')}.`,
      'For example: percept quantize ./model-F16.gguf Q4_K_M',
      { kind: 'usage' },
    );
  }
  const gguf = await readModel((await modelFile(reference, call.options, call)).path);
  requireFloats(gguf);
  await write(call, gguf, preset, out ?? `${baseOf(gguf.path)}-${preset}.gguf`);
}

/** Writes a checkpoint as a GGUF file: percept convert FOLDER [FILE]. */
export async function convert(call: Call): Promise<void> {
  const [reference, out] = call.operands;
  const gguf = await readModel((await modelFile(reference ?? '', call.options, call)).path);
  const type = call.options.type ?? storedType(gguf);
  const preset = presetOf(type);
  if (!preset) {
    throw new UserError(
      `Expected --type to be one of ${Object.keys(PRESETS).join(', ')}, got ${type}.`,
      'Leave it out to keep the type of the weights.',
      { kind: 'usage' },
    );
  }
  await write(call, gguf, preset, out ?? `${baseOf(gguf.path)}-${preset}.gguf`);
}

async function write(call: Call, gguf: Gguf, preset: PresetName, file: string): Promise<void> {
  const { options, output } = call;
  const path = resolve(file);
  const { types, replaced } = chooseTypes(gguf, preset);
  const importance = options.imatrix === undefined ? undefined : await readImportance(options.imatrix);
  const threads = options.threads ?? availableParallelism();
  const display = new ProgressDisplay(output, { onlyIfSlow: true });
  const subject = basename(path);
  const onProgress = (done: number, total: number) =>
    display.show({ subject, activity: 'converting', unit: 'bytes', done, total });
  const { bytes } = await display.during(() =>
    call.abortable((signal) =>
      writeModel(gguf, path, { types, preset, threads, importance, onProgress, signal }),
    ),
  );
  if (replaced.length > 0) {
    const whose = replaced.length === 1 ? 'One tensor has' : `${replaced.length} tensors have`;
    output.note(`${whose} rows that are no whole blocks of its type, and got a type of smaller blocks.`);
  }
  if (options.json) return output.json({ path, type: preset, bytes, tensors: types.size });
  await output.print(`${path}\n`);
  output.note(`${preset}, ${formatBytes(bytes)}`);
}

/** Quantizing what is quantized already would lose twice. */
function requireFloats({ tensors, path }: Gguf): void {
  const found = tensors.values().find(({ type }) => !isFloat(type));
  if (!found) return;
  throw new UserError(
    `${found.name} in ${path} is quantized already, as ${found.type}.`,
    'Quantize from a file in F16, BF16 or F32: to quantize twice loses twice.',
    { kind: 'usage' },
  );
}

/** The type of most weights. */
function storedType({ tensors }: Gguf): string {
  const bytes = new Map<string, number>();
  for (const { type, bytes: size } of tensors.values()) bytes.set(type, (bytes.get(type) ?? 0) + size);
  const [most] = [...bytes].sort(([, a], [, b]) => b - a);
  return most && presetOf(most[0]) ? most[0] : 'F16';
}

/** The name of a folder or file without its end and without the type in it. */
function baseOf(path: string): string {
  const name = basename(path).replace(/(?:-0*1-of-\d+)?\.(?:gguf|safetensors)$/i, '');
  return join('.', name.replace(/[-.](?:BF16|F16|F32)$/i, ''));
}
