/** A small program with a recurrent state, for tests of what its sequences may do. */
import type { Backend, Program } from '../../backends/backend.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { program, table } from './self-attention.ts';

const taps = randomMatrix('F32', 16, 3, 1, 'taps');

/** Attention of a convolution of an embedding: a state that each step replaces beside one of all positions. */
export function recurrentProgram(backend: Backend): Program {
  const [weight, kernel] = [table, taps].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
  const { states, limits } = program(weight!);
  return {
    name: 'convolution and attention',
    ops: [
      { op: 'embed', table: weight! },
      { op: 'conv', x: 0, weight: kernel!, state: 1 },
      { op: 'attention', q: 1, k: 1, v: 0, state: 0, heads: 2, scale: 0.1 },
      { op: 'select', x: 2 },
    ],
    output: 3,
    states: [...states, { kind: 'recurrent', floats: 2 * 16 }],
    limits,
  };
}
