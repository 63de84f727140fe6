/**
 * Addresses of values in one memory. Values that are never live at the same time share bytes. The output of an elementwise
 * phase may take the bytes of an operand that this phase reads last.
 */
import type { ValueId } from '../backend.ts';
import { type Phase, usesOf } from '../fuse.ts';
import type { Shape } from '../ops.ts';
import type { AddressSpace } from './memory.ts';
import type { Lifetime, MemoryProgram } from './stages.ts';

/** The rows of a value. */
export interface PlacedValue {
  readonly address: number;
  readonly stride: number;
  readonly shape: Shape;
}

interface TakenBytes {
  readonly start: number;
  readonly bytes: number;
}

const LINE = 64; // bytes of a cache line; values are aligned to it

/** With sentinels every value has bytes of its own, so that a write outside a value is found. */
export function placeValues(program: MemoryProgram, space: AddressSpace): ReadonlyMap<ValueId, PlacedValue> {
  const { shapes, lifetimes, limits } = program;
  const stride = (value: ValueId) => 4 * 16 * Math.ceil(shapes[value]!.cols / 16);
  const bytes = (value: ValueId) => LINE * Math.ceil((limits.maxTokens * stride(value)) / LINE);
  const ordered = [...lifetimes.keys()].sort((a, b) => lifetimes.get(a)!.from - lifetimes.get(b)!.from);
  const place = (address: number, value: ValueId): [ValueId, PlacedValue] => {
    return [value, { address, stride: stride(value), shape: shapes[value]! }];
  };
  if (space.gap > 0) {
    return new Map(
      ordered.map((value) =>
        place(space.allocate(limits.maxTokens * stride(value), `value ${value}`), value),
      ),
    );
  }
  const offsets = packed(ordered, lifetimes, bytes, overwritableBytes(program.phases));
  const end = Math.max(0, ...ordered.map((value) => offsets.get(value)! + bytes(value)));
  const base = space.allocate(end, 'values');
  return new Map(ordered.map((value) => place(base + offsets.get(value)!, value)));
}

/** Allocates the lowest free offset for each value, in the order in which lifetimes begin. */
function packed(
  ordered: readonly ValueId[],
  lifetimes: ReadonlyMap<ValueId, Lifetime>,
  bytes: (value: ValueId) => number,
  overwritable: ReadonlyMap<ValueId, readonly ValueId[]>,
): ReadonlyMap<ValueId, number> {
  const offsets = new Map<ValueId, number>();
  let alive: ValueId[] = [];
  for (const value of ordered) {
    const { from } = lifetimes.get(value)!;
    alive = alive.filter((other) => lifetimes.get(other)!.to >= from);
    const dying = overwritable.get(value)?.find((other) => {
      return lifetimes.get(other)?.to === from && bytes(other) === bytes(value);
    });
    const taken = alive.map((other) => ({ start: offsets.get(other)!, bytes: bytes(other) }));
    offsets.set(value, dying === undefined ? firstGap(taken, bytes(value)) : offsets.get(dying)!);
    alive.push(value);
  }
  return offsets;
}

/** The lowest offset with `bytes` bytes outside all ranges. */
function firstGap(taken: readonly TakenBytes[], bytes: number): number {
  let offset = 0;
  for (const range of taken.toSorted((a, b) => a.start - b.start)) {
    if (range.start - offset >= bytes) break;
    offset = Math.max(offset, range.start + range.bytes);
  }
  return offset;
}

/** For each value, the operands whose bytes its phase may overwrite while it reads them. */
function overwritableBytes(phases: readonly Phase[]): ReadonlyMap<ValueId, readonly ValueId[]> {
  return new Map(
    phases.flatMap((phase) => usesOf(phase).writes.map((value) => [value, overwritableBy(phase)])),
  );
}

function overwritableBy(phase: Phase): readonly ValueId[] {
  switch (phase.kind) {
    case 'matmul': // a thread may multiply while another still prepares x
      return phase.residual === undefined || phase.residual === phase.x ? [] : [phase.residual];
    case 'norm':
    case 'layer-norm':
    case 'map':
    case 'rope':
    case 'softmax':
      return [phase.op.x];
    case 'zip':
      return [phase.op.a, phase.op.b];
    default:
      return [];
  }
}
