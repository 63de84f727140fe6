import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PacedState } from '../../cli/chat/paced-state.ts';
import { Pacer } from '../../cli/chat/pacer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const STEADY = { least: 100, most: 100, share: 1 };

describe('Pacer', () => {
  it('runs all requests on one beat, each once', () => {
    const pacer = new Pacer(STEADY);
    const done: string[] = [];
    const a = () => void done.push('a');
    pacer.soon(a);
    vi.advanceTimersByTime(60);
    pacer.soon(() => void done.push('b'));
    pacer.soon(a);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(40);
    expect(done).toEqual(['a', 'b']);
    vi.advanceTimersByTime(1000);
    expect(done).toEqual(['a', 'b']);
  });

  it('delays less urgent requests for more beats, and runs them with those due then', () => {
    const pacer = new Pacer(STEADY);
    const done: string[] = [];
    pacer.soon(() => void done.push('figures'), 3);
    vi.advanceTimersByTime(250);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(50);
    expect(done).toEqual(['figures']);
  });

  it('beats less often if a beat costs more, within bounds, and adapts when it costs less', () => {
    let clock = 0;
    let cost = 10;
    const beats: number[] = [];
    const pacer = new Pacer({ least: 50, most: 400, share: 0.1 }, () => clock);
    const task = () => {
      clock += cost;
      beats.push(Date.now());
      pacer.soon(task);
    };
    pacer.soon(task);
    vi.advanceTimersByTime(3000);
    expect(beats.at(-1)! - beats.at(-2)!).toBeCloseTo(100, -1); // 10 of 100 ms
    cost = 1000;
    vi.advanceTimersByTime(10_000);
    expect(beats.at(-1)! - beats.at(-2)!).toBeCloseTo(400, -1);
    cost = 0;
    vi.advanceTimersByTime(10_000);
    expect(beats.at(-1)! - beats.at(-2)!).toBeCloseTo(50, -1);
  });

  it('drops requests on cancel', () => {
    const pacer = new Pacer(STEADY);
    const task = vi.fn();
    pacer.soon(task);
    pacer.cancel(task);
    vi.advanceTimersByTime(200);
    expect(task).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('PacedState', () => {
  it('changes immediately with all pending updates, or when due', () => {
    const state = new PacedState<{ a: number; b: number }>(
      { a: 0, b: 0 },
      new Pacer({ ...STEADY, least: 10, most: 10 }),
    );
    state.soon({ a: 1 });
    state.soon({ a: 2 });
    expect(state.store.get()).toEqual({ a: 0, b: 0 });
    state.now({ b: 1 });
    expect(state.store.get()).toEqual({ a: 2, b: 1 });
    state.soon({ a: 3 });
    vi.advanceTimersByTime(30);
    expect(state.store.get()).toEqual({ a: 3, b: 1 });
  });
});
