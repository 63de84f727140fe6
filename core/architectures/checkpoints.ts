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
      requireFunction(config, checkpoint, type);
      return { name: typeof name === 'string' ? name : name(config), checkpoint };
    }
    known.push(...Object.keys(checkpoint.types));
  }
  throw unsupported(
    `The model_type ${JSON.stringify(type.slice(0, 60))} of ${config.path}`,
    `; supported: ${[...new Set(known)].sort().join(', ')}`,
  );
}

/** Config keys of the function of the feed-forward; the first that is there counts. */
const FUNCTION_KEYS = ['hidden_activation', 'hidden_act', 'activation_function', 'mlp_hidden_act'];

/** Throws UserError for another function than the family computes: its results would be wrong, silently. */
function requireFunction(config: Config, { functions = ['silu', 'swish'] }: Checkpoint, type: string): void {
  const fn = FUNCTION_KEYS.map((key) => config.text(key)).find((text) => text !== undefined);
  if (fn === undefined || functions.includes(fn)) return;
  throw unsupported(
    `The function ${JSON.stringify(fn.slice(0, 40))} in a model of type ${type}`,
    `; supported: ${functions.join(', ')}`,
  );
}
