/** Steps that tests run over and over, and what comes of them. All throw what `submit` throws. */
import type { Executable, Slice, Step } from '../../backends/backend.ts';
import { step, stepWith } from '../../bench/conformance/op-case.ts';

/** Logits of all tokens, [T, V] in slice order. */
export function allRows(executable: Executable, ...slices: Slice[]): Promise<Float32Array> {
  return rowsOf(executable, step(...slices));
}

/** Logits of the last token of each slice, [slices, V]. */
export function lastRows(executable: Executable, ...slices: Slice[]): Promise<Float32Array> {
  return rowsOf(executable, stepWith({ kind: 'logits' }, ...slices));
}

/** Logits of the slices that want them, one after the other. */
export function rowsOf(executable: Executable, step: Step): Promise<Float32Array> {
  return executable.submit(step).then((results) => {
    return Float32Array.from(
      results.flatMap((result) => (result.kind === 'logits' ? [...result.logits] : [])),
    );
  });
}

/** For each slice `count` ids that the device chooses. */
export function greedyIds(executable: Executable, count: number, ...slices: Slice[]): Promise<number[][]> {
  return executable.submit(stepWith({ kind: 'greedy', count }, ...slices)).then((results) => {
    return results.map((result) => (result.kind === 'greedy' ? [...result.ids] : []));
  });
}

/** The softmax weights of a slice of one token. */
export function attended(executable: Executable, slice: Slice): Promise<Float32Array> {
  return executable.submit(stepWith({ kind: 'attention' }, slice)).then(([result]) => {
    return result?.kind === 'attention' ? result.weights : new Float32Array(0);
  });
}
