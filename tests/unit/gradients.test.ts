/** The finite differences that backward kernels will be judged by, against closed forms. */
import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import {
  canBeJudged,
  differences,
  type Gradient,
  gradientsOf,
  type Point,
  pointOf,
} from '../../bench/conformance/gradients.ts';
import { gradientError } from '../../bench/conformance/judge.ts';
import type { Row } from '../../bench/conformance/op-case.ts';
import { Random } from '../../core/sampler/random.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { softmax } from '../../kernels/reference/softmax.ts';

/** NMSE of a closed form: differences have 9 digits or more. */
const CLOSE = 1e-16;
const ALL = Number.POSITIVE_INFINITY;

const random = new Random(1);
const numbers = (count: number) => Float64Array.from({ length: count }, () => 2 * random.uniform() - 1);
const row = (tensor: Row, t: number, cols: number) => tensor.subarray(t * cols, (t + 1) * cols);
const dot = (a: Row, b: Row) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** A point of T rows with random operands and weights of so many rows and columns. */
function pointWith(
  op: Op,
  T: number,
  operands: readonly number[],
  weights: readonly [number, number][] = [],
): Point {
  return {
    op,
    values: operands.map((cols) => ({ values: numbers(T * cols), cols })),
    weights: weights.map(([rows, cols]) => ({ values: numbers(rows * cols), cols })),
    tokens: [2, 0, 2],
    outputs: [2, 0],
    constants: new Set(),
  };
}

/** Expects closed forms by field, and that none of them passes where one number is off by a hundredth. */
function expectForms(gradients: ReadonlyMap<string, Gradient>, forms: Readonly<Record<string, Row>>): void {
  expect([...gradients.keys()]).toEqual(Object.keys(forms));
  for (const [name, gradient] of gradients) {
    const form = forms[name]!;
    expect(gradient.entries, name).toHaveLength(form.length);
    expect(canBeJudged(gradient), name).toBe(true);
    expect(gradientError(gradient, form), name).toBeLessThan(CLOSE);
    const largest = form.reduce((best, value, i) => (Math.abs(value) > Math.abs(form[best]!) ? i : best), 0);
    expect(gradientError(gradient, form.with(largest, 1.01 * form[largest]!)), name).toBeGreaterThan(1e-7);
  }
}

describe('finite differences', () => {
  it('are W^T dy and dy x^T and dy for matmul', () => {
    const [T, N, K] = [3, 4, 5];
    const point = pointWith(
      { op: 'matmul', x: 0, weight: 0, bias: 1 },
      T,
      [K],
      [
        [N, K],
        [1, N],
      ],
    );
    const [x, w, dy] = [point.values[0]!.values, point.weights[0]!.values, numbers(T * N)];
    const [dx, dw, db] = [new Float64Array(T * K), new Float64Array(N * K), new Float64Array(N)];
    for (let t = 0; t < T; t++)
      for (let n = 0; n < N; n++) {
        db[n]! += dy[t * N + n]!;
        for (let k = 0; k < K; k++) {
          dx[t * K + k]! += dy[t * N + n]! * w[n * K + k]!;
          dw[n * K + k]! += dy[t * N + n]! * x[t * K + k]!;
        }
      }
    expectForms(gradientsOf(point, dy, ALL), { x: dx, weight: dw, bias: db });
  });

  it('are (w dy - x r^2 mean(x w dy)) r for a norm, with r = 1 / rms', () => {
    const [T, C, eps] = [2, 6, 1e-5];
    const point = pointWith({ op: 'norm', x: 0, weight: 0, eps }, T, [C], [[1, C]]);
    const [x, w, dy] = [point.values[0]!.values, point.weights[0]!.values, numbers(T * C)];
    const dw = new Float64Array(C);
    const dx = Array.from({ length: T }, (_, t) => {
      const [xs, ds] = [row(x, t, C), row(dy, t, C)];
      const r = 1 / Math.sqrt(dot(xs, xs) / C + eps);
      const wd = w.map((value, c) => value * ds[c]!);
      xs.forEach((value, c) => {
        dw[c]! += ds[c]! * value * r;
      });
      return [...xs.map((value, c) => r * (wd[c]! - (value * r * r * dot(xs, wd)) / C))];
    });
    expectForms(gradientsOf(point, dy, ALL), { x: Float64Array.from(dx.flat()), weight: dw });
  });

  it('are p (dy - p . dy) for softmax', () => {
    const point = pointWith({ op: 'softmax', x: 0 }, 1, [7]);
    const dy = numbers(7);
    const p = softmax(point.values[0]!.values);
    expectForms(gradientsOf(point, dy, ALL), { x: p.map((value, i) => value * (dy[i]! - dot(p, dy))) });
  });

  it('are s (1 + x (1 - s)) dy for silu, with s = sigmoid(x)', () => {
    const point = pointWith({ op: 'map', fn: 'silu', x: 0 }, 2, [5]);
    const dy = numbers(10);
    const dx = point.values[0]!.values.map((x, i) => {
      const s = 1 / (1 + Math.exp(-x));
      return s * (1 + x * (1 - s)) * dy[i]!;
    });
    expectForms(gradientsOf(point, dy, ALL), { x: dx });
  });

  it('are the other factor times dy for a product, and dy for a sum', () => {
    const dy = numbers(10);
    const product = pointWith({ op: 'zip', fn: 'mul', a: 0, b: 1 }, 2, [5, 5]);
    const [a, b] = product.values.map(({ values }) => values.map((value, i) => value * dy[i]!));
    expectForms(gradientsOf(product, dy, ALL), { a: b!, b: a! });
    const sum = pointWith({ op: 'zip', fn: 'add', a: 0, b: 1 }, 2, [5, 5]);
    expectForms(gradientsOf(sum, dy, ALL), { a: dy, b: dy });
  });

  it.each(['half', 'interleaved'] as const)('rotate dy back for rope, %s', (layout) => {
    const [T, heads, D] = [3, 2, 6];
    const spec = { layout, inverseFrequencies: [1, 0.1] };
    const point = pointWith({ op: 'rope', x: 0, heads, rope: spec }, T, [heads * D]);
    const dy = numbers(T * heads * D);
    const dx = Array.from({ length: T }, (_, t) => [...rope(row(dy, t, heads * D), heads, -t, spec)]);
    expectForms(gradientsOf(point, dy, ALL), { x: Float64Array.from(dx.flat()) });
  });

  it('are those of softmax and of both products for attention over two keys', () => {
    const [D, scale] = [3, 0.6];
    const op = { op: 'attention', q: 0, k: 1, v: 2, state: 0, heads: 1, scale } as const;
    const point = pointWith(op, 2, [D, D, D]);
    const [q, k, v] = point.values.map(({ values }) => [row(values, 0, D), row(values, 1, D)]);
    const dy = numbers(2 * D);
    const [first, second] = [row(dy, 0, D), row(dy, 1, D)];
    const p = softmax(Float64Array.from(k!, (key) => scale * dot(q![1]!, key)));
    const dp = Float64Array.from(v!, (value) => dot(second, value));
    const ds = p.map((value, i) => scale * value * (dp[i]! - dot(p, dp)));
    const both = (of: (d: number, position: number) => number) =>
      Float64Array.from([0, 1].flatMap((position) => Array.from({ length: D }, (_, d) => of(d, position))));
    expectForms(gradientsOf(point, dy, ALL), {
      q: both((d, t) => (t === 0 ? 0 : ds[0]! * k![0]![d]! + ds[1]! * k![1]![d]!)), // the first sees one key
      k: both((d, position) => ds[position]! * q![1]![d]!),
      v: both((d, position) => p[position]! * second[d]! + (position === 0 ? first[d]! : 0)),
    });
  });

  it('add up what is taken from a row more than once, and are 0 for rows that are not taken', () => {
    const dy = numbers(6);
    const embed = pointWith({ op: 'embed', table: 0 }, 3, [], [[3, 2]]); // rows 2, 0, 2
    const table = [dy[2]!, dy[3]!, 0, 0, dy[0]! + dy[4]!, dy[1]! + dy[5]!];
    expectForms(gradientsOf(embed, dy, ALL), { table: Float64Array.from(table) });
    const select = pointWith({ op: 'select', x: 0 }, 3, [2]); // rows 2, 0
    const x = [dy[2]!, dy[3]!, 0, 0, dy[0]!, dy[1]!];
    expectForms(gradientsOf(select, dy.slice(0, 4), ALL), { x: Float64Array.from(x) });
  });

  it('name kinks, and judge none of them', () => {
    const relu = (x: Row) => x.map((value) => Math.max(0, value));
    const gradient = differences(relu, Float64Array.of(-1, 0, 2), Float64Array.of(5, 6, 7));
    expect(gradient.kinks).toEqual([1]);
    for (const atZero of [0, 3, 6]) expect(gradientError(gradient, [0, atZero, 7])).toBeLessThan(CLOSE);
    expect(gradientError(gradient, [5, 0, 7])).toBeGreaterThan(0.1);
    expect(canBeJudged(gradient)).toBe(true);
    expect(canBeJudged(differences(relu, Float64Array.of(0), Float64Array.of(1)))).toBe(false);
  });

  it('cannot be judged where they do not agree with themselves', () => {
    const step = (x: Row) => x.map((value) => Math.floor(value));
    const coarse = (x: Row) => x.map((value) => Math.fround(value ** 3)); // as a kernel in float32 would give
    const missing = (x: Row) => x.map((value) => (value > 1 ? Number.NaN : value));
    for (const f of [step, coarse, missing]) {
      expect(canBeJudged(differences(f, Float64Array.of(1), Float64Array.of(1)))).toBe(false);
    }
  });
});

describe('the table of cases', () => {
  it('has a point for every op but programs', () => {
    const ops = [...new Map(CHECKED_CASES.map((each) => [each.op, each])).values()];
    expect(ops.filter((each) => !pointOf(each)).map(({ op }) => op)).toEqual(['program']);
  });

  it('has no gradient of weights that are held as codes', () => {
    const fields = (op: string, type: string) => {
      const point = pointOf(CHECKED_CASES.find((each) => each.op === op && each.type === type)!)!;
      return [...gradientsOf(point, numbers(10_000), 1).keys()];
    };
    expect(fields('matmul', 'BF16')).toEqual(['x', 'weight']);
    expect(fields('matmul', 'Q4_0')).toEqual(['x']);
    expect(fields('embed', 'Q8_0')).toEqual([]);
  });
});
