/** How the user names an adapter and how strongly it counts. */
import { UserError } from '../../errors.ts';

/** How strongly an adapter counts: FILE[=FACTOR]. */
export interface AdapterChoice {
  readonly path: string;
  readonly factor: number;
}

/** Reads FILE or FILE=FACTOR. A file whose name ends like a factor is written with one: a=1=1. */
export function adapterChoice(text: string): AdapterChoice {
  const found = /^(.+)=([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$/.exec(text);
  const path = found ? found[1]! : text;
  if (path === '')
    throw new UserError('Expected the file of an adapter.', 'For example: --lora ./adapter=0.5');
  return { path, factor: found ? Number(found[2]) : 1 };
}
