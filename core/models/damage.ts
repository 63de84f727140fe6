import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { UserError } from '../../errors.ts';
import { announcedBytes, readPart } from '../gguf/index.ts';
import { SourceFailure } from './sources/failure.ts';
import type { ModelFile } from './store.ts';

/** The reason why a file is no whole model, by its header: it lists tensors that end beyond the file, or is none. */
export async function damageOf(path: string, bytes: number): Promise<SourceFailure | undefined> {
  if (bytes === 0) return new SourceFailure('the file is empty');
  const announced = (await announcedBytes(path)) ?? 0;
  if (announced > bytes) {
    return new SourceFailure(`expected ${announced} bytes by the header of the file, got ${bytes}`);
  }
  try {
    await readPart(path);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    return new SourceFailure(cause.message.replace(/\.$/, ''), { cause, hint: cause.hint });
  }
}

/** As damageOf, for a model on this machine. If it has a record, also its content must be that of the transfer. */
export async function damageOfModel({ path, bytes, sha256 }: ModelFile): Promise<string | undefined> {
  const damage = await damageOf(path, bytes);
  if (damage || sha256 === undefined) return damage?.message;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  const got = hash.digest('hex');
  return got === sha256 ? undefined : `expected sha256 ${sha256}, got ${got}`;
}
