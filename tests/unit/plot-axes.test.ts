import { describe, expect, it } from 'vitest';
import { axisOf } from '../../cli/terminal/plot/scene.ts';

const texts = (values: readonly number[], spec: Parameters<typeof axisOf>[1], room: number) =>
  axisOf(values, spec, room).ticks.map(({ text }) => text);

describe('ticks', () => {
  it.each([
    [[0, 412], 6, ['0', '100', '200', '300', '400', '500']],
    [[0, 412], 3, ['0', '500']],
    [[0, 2.9], 4, ['0', '1', '2', '3']],
    [[0.12, 0.39], 4, ['0.1', '0.2', '0.3', '0.4']],
    [[0, 0.013], 4, ['0.000', '0.005', '0.010', '0.015']],
    [[-3, 3], 3, ['-5', '0', '5']],
    [[0, 41_000], 5, ['0', '20k', '40k', '60k']],
    [[0, 2_400_000], 4, ['0', '1M', '2M', '3M']],
  ])('%j in %i: steps of 1, 2 or 5', (values, room, expected) => {
    expect(texts(values, { unit: '' }, room)).toEqual(expected);
  });

  it('fixed ends are kept', () => {
    expect(texts([300, 412], { unit: '', from: 0 }, 3)).toEqual(['0', '500']);
    expect(texts([1], { unit: '', from: 0, to: 100 }, 3)).toEqual(['0', '50', '100']);
  });

  it('an exact axis ends between two ticks', () => {
    const spec = { unit: 'tokens', from: 0, to: 128, exact: true };
    expect(texts([], spec, 5)).toEqual(['0', '50', '100']);
    expect(texts([], { ...spec, to: 41 }, 2)).toEqual(['0', '20', '40']);
    expect(axisOf([], spec, 5).at(128)).toBe(1);
  });

  it('of decades are all of 1, 2, 5 if there is room, else powers of ten', () => {
    const log = { unit: '', log: true };
    expect(texts([0.7, 40], log, 9)).toEqual(['0.5', '1', '2', '5', '10', '20', '50']);
    expect(texts([0.7, 40], log, 4)).toEqual(['1', '10']);
    expect(texts([1, 1e6], log, 4)).toEqual(['1', '100', '10k', '1M']);
    expect(texts([3, 4], log, 1)).toEqual(['2']);
  });

  it('ignore values that are not numbers, and on a logarithmic axis values up to zero', () => {
    expect(texts([Number.NaN, 1, Number.POSITIVE_INFINITY, 2], { unit: '' }, 2)).toEqual(['1', '2']);
    expect(texts([0, -1, 1, 10], { unit: '', log: true }, 2)).toEqual(['1', '10']);
    expect(texts([], { unit: '' }, 2)).toEqual(['0', '1']);
    expect(texts([], { unit: '', log: true }, 2)).toEqual(['1', '10']);
  });

  it('a single value still has a width', () => {
    expect(texts([5], { unit: '' }, 3)).toEqual(['5', '10']);
    expect(texts([0], { unit: '' }, 2)).toEqual(['0', '1']);
  });
});

it('positions are fractions of the axis', () => {
  const linear = axisOf([0, 100], { unit: '' }, 3);
  expect([linear.at(0), linear.at(25), linear.at(100)]).toEqual([0, 0.25, 1]);
  const log = axisOf([1, 100], { unit: '', log: true }, 3);
  expect(log.at(10)).toBeCloseTo(0.5, 12);
  expect(log.at(1)).toBe(0);
});
