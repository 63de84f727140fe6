import type { Key } from 'ink';
import { NO_KEY } from '../../cli/tui/editor/keys.ts';

/** What Ink says of a key: the flags given and no others. */
export function key(flags: Partial<Key> = {}): Key {
  return { ...NO_KEY, ...flags };
}
