/** The smallest program that keeps anything, for tests of what steps and slices may do. */
import type { Backend, Executable, Program, Slice } from '../../backends/backend.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';

export const VOCABULARY = 40;
export const COLS = 16;
export const table = randomMatrix('F32', VOCABULARY, COLS, 4);

/** How far a row may be from itself computed in another step, where bits may differ; its values are up to 4. */
export const OTHER_STEPS = 1e-5;

/** Attention of an embedding over itself: 2 heads of 8, 3 sequences of 20 positions, 12 tokens a step. */
export function program(weight: number): Program {
  return {
    name: 'attention',
    ops: [
      { op: 'embed', table: weight },
      { op: 'attention', q: 0, k: 0, v: 0, state: 0, heads: 2, scale: 0.1 },
      { op: 'select', x: 1 },
    ],
    output: 2,
    states: [{ kind: 'kv', kvHeads: 2, keyDim: 8, valueDim: 8 }],
    limits: { sequences: 3, contextLength: 20, maxTokens: 12 },
  };
}

export function compileProgram(backend: Backend): Promise<Executable> {
  return backend.compile(program(backend.weight(table.desc, { bytes: table.bytes })));
}

export const slice = (seq: number, pos: number, ...tokens: number[]): Slice => ({ seq, pos, tokens });
