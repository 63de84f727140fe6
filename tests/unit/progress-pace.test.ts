import { describe, expect, it } from 'vitest';
import { PiecePace, StreamPace } from '../../cli/progress/pace.ts';

/** A pace with updates of `rate(at)` units a second, every 100 ms until `until`. */
function streamed(until: number, rate: (at: number) => number) {
  const pace = new StreamPace({ at: 0, done: 0 });
  const lefts: (number | undefined)[] = [];
  let done = 0;
  for (let at = 100; at <= until; at += 100) {
    done += rate(at) / 10;
    pace.record({ at, done });
    lefts.push(pace.left(1000, at));
  }
  return { pace, lefts, done };
}

describe('the pace of a stream', () => {
  it('is undefined before there is enough data', () => {
    const pace = new StreamPace({ at: 0, done: 500 });
    expect([pace.speed(60_000), pace.left(1000, 60_000)]).toEqual([undefined, undefined]);
    pace.record({ at: 200, done: 510 });
    expect(pace.speed(200)).toBeUndefined();
    pace.record({ at: 1000, done: 520 });
    expect([pace.speed(1000), pace.left(1000, 1000)]).toEqual([20, undefined]);
    pace.record({ at: 2000, done: 540 });
    expect([pace.speed(2000), pace.left(1000, 2000)]).toEqual([20, 23]);
  });

  it('is the speed of the last seconds', () => {
    const { pace } = streamed(20_000, (at) => (at <= 12_000 ? 10 : 40));
    expect(pace.speed(20_000)).toBeCloseTo(40, 5);
  });

  it('counts the time left down, and does not follow every burst', () => {
    const { lefts } = streamed(40_000, (at) => (at % 2000 < 1000 ? 18 : 2));
    const shown = lefts.filter((left) => left !== undefined);
    expect(shown.length).toBeGreaterThan(370);
    for (const [i, left] of shown.slice(1).entries()) {
      expect(Math.abs(left - shown[i]!)).toBeLessThan(Math.max(2.2, 0.2 * shown[i]!));
    }
    const steady = shown.slice(-100); // a tenth of a second less each time
    for (const [i, left] of steady.slice(1).entries()) expect(steady[i]! - left).toBeCloseTo(0.1, 5);
  });

  it('adapts to another speed within seconds', () => {
    const { lefts } = streamed(40_000, (at) => (at <= 10_000 ? 40 : 4));
    expect(lefts[99]).toBeCloseTo(15, 0); // 600 at 40 a second
    expect(lefts[199]).toBeGreaterThan(24); // half of its window is slow
    expect(lefts.at(-1)).toBeGreaterThan(100); // 480 at 4 a second: 120, within the tolerance
  });

  it('slows down in a pause and stops in a stall, without a time left', () => {
    const { pace, done } = streamed(10_000, () => 20);
    expect(pace.speed(10_200)).toBeCloseTo(20, 5);
    expect(pace.speed(12_000)).toBeLessThan(15);
    expect(pace.left(1000, 15_000)).toBeGreaterThan(40);
    expect([pace.speed(15_001), pace.left(1000, 15_001)]).toEqual([0, undefined]);
    pace.record({ at: 60_000, done: done + 50 });
    expect(pace.speed(60_000)).toBeUndefined(); // it starts over
    pace.record({ at: 61_000, done: done + 90 });
    expect(pace.speed(61_000)).toBeCloseTo(40, 5);
  });

  it('handles long steps', () => {
    const pace = new StreamPace({ at: 0, done: 0 });
    for (let step = 1; step <= 3; step++) pace.record({ at: 8000 * step, done: 64 * step });
    for (const later of [0, 4000, 8000, 12_000]) expect(pace.speed(24_000 + later)).toBe(8);
    expect(pace.left(640, 24_000)).toBe(56);
    expect(pace.left(640, 30_000)).toBe(50);
    expect(pace.speed(24_000 + 24_001)).toBe(0);
  });
});

describe('the pace of pieces', () => {
  it('has no speed, and a time left from the second piece on', () => {
    const pace = new PiecePace({ at: 0, done: 0 });
    pace.record({ at: 4000, done: 1 });
    expect([pace.speed(), pace.left(10, 4000)]).toEqual([undefined, undefined]);
    pace.record({ at: 8000, done: 2 });
    expect(pace.left(10, 8000)).toBe(32);
    expect(pace.left(10, 11_000)).toBe(29);
    expect(pace.left(10, 12_000)).toBe(28);
  });

  it('has no time left once the last piece takes longer than the others', () => {
    const pace = new PiecePace({ at: 0, done: 0 });
    pace.record({ at: 8000, done: 2 });
    expect(pace.left(3, 10_000)).toBe(2);
    expect(pace.left(3, 12_000)).toBeUndefined();
  });

  it('has no time left while a piece takes unusually long', () => {
    const pace = new PiecePace({ at: 0, done: 0 });
    for (let done = 1; done <= 4; done++) pace.record({ at: 2000 * done, done });
    expect(pace.left(100, 12_000)).toBe(190);
    expect(pace.left(100, 12_001)).toBeUndefined();
    pace.record({ at: 28_000, done: 5 });
    expect(pace.left(100, 28_000)).toBe(532);
  });
});
