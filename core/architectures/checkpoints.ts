/** Finds the architecture of a checkpoint in Hugging Face's layout by the model_type of its config.json. */
import type { Config } from '../checkpoint/config.ts';
import type { Checkpoint } from '../checkpoint/family.ts';
import { ARCHITECTURES } from './index.ts';
import { unsupported } from './metadata.ts';

export interface CheckpointArchitecture {
  readonly name: string; // general.architecture
  readonly checkpoint: Checkpoint;
}

/** Throws UserError for a family that is not supported. */
export function architectureOf(config: Config): CheckpointArchitecture {
  const type = config.text('model_type') ?? '';
  const known: string[] = [];
  for (const { checkpoint } of Object.values(ARCHITECTURES)) {
    if (!checkpoint) continue;
    if (Object.hasOwn(checkpoint.types, type)) {
      const name = checkpoint.types[type]!;
      return { name: typeof name === 'string' ? name : name(config), checkpoint };
    }
    known.push(...Object.keys(checkpoint.types));
  }
  throw unsupported(
    `The model_type ${JSON.stringify(type.slice(0, 60))} of ${config.path}`,
    `; supported: ${[...new Set(known)].sort().join(', ')}`,
  );
}
