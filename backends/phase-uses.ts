/** What a phase touches: the buffers it reads and writes, its weights, and the layer whose cache it keeps. */
import type { BufferId, RopeSpec, WeightId } from './backend.ts';
import type { Phase } from './fuse.ts';

export interface PhaseUses {
  readonly reads: readonly BufferId[];
  readonly writes: readonly BufferId[];
  readonly weights: readonly WeightId[];
  readonly layer?: number;
  readonly rope?: RopeSpec;
}

export function usesOf(phase: Phase): PhaseUses {
  if (phase.kind === 'matmul') {
    const { x, norm, products, residual, gated } = phase;
    const written = gated ? products.slice(0, 1) : products;
    return {
      reads: present(x, residual),
      writes: written.map(({ out }) => out),
      weights: present(norm?.weight, ...products.flatMap(({ weight, bias }) => [weight, bias])),
    };
  }
  if (phase.kind === 'attention') {
    const { q, k, v, out, layer } = phase.op;
    return { reads: [q, k, v], writes: [out], weights: [], layer, rope: phase.rope };
  }
  const { op } = phase;
  const writes = [op.out];
  if (op.op === 'embed') return { reads: [], writes, weights: [op.table] };
  if (op.op === 'mul' || op.op === 'add') return { reads: [op.a, op.b], writes, weights: [] };
  if (op.op === 'rms-norm') return { reads: [op.x], writes, weights: [op.weight] };
  return { reads: [op.x], writes, weights: [], rope: op.op === 'rope' ? op.rope : undefined };
}

function present(...ids: readonly (number | undefined)[]): number[] {
  return ids.filter((id) => id !== undefined);
}
