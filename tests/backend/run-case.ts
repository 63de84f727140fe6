import type { Backend } from '../../backends/backend.ts';
import type { OpCase } from './cases.ts';

/** All output rows of a case's actions, one after the other. */
export async function runCase(op: OpCase, backend: Backend): Promise<Float32Array> {
  const ids = op.weights.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
  const executable = await backend.compile(op.program(ids));
  const out: Float32Array[] = [];
  for (const action of op.actions) {
    if ('copy' in action) executable.kvCopy(action.copy.from, action.copy.to, action.copy.upto);
    else if ('trim' in action) executable.kvTrim(action.trim.seq, action.trim.upto);
    else out.push((await executable.submit(action).logits()).slice());
  }
  executable.dispose();
  return Float32Array.from(out.flatMap((rows) => [...rows]));
}
