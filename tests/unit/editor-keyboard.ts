import type { Key } from 'ink';
import { NO_KEY } from '../../cli/tui/editor/keys.ts';

/** Ink's description of a key with only these flags. */
export function key(flags: Partial<Key> = {}): Key {
  return { ...NO_KEY, ...flags };
}
