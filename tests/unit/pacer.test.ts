import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PacedState } from '../../cli/chat/paced-state.ts';
import { Pacer } from '../../cli/chat/pacer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('Pacer', () => {
  it('does all that was asked for on one beat, each once', () => {
    const pacer = new Pacer(100);
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

  it('lets what is less urgent wait for more beats, together with what is due then', () => {
    const pacer = new Pacer(100);
    const done: string[] = [];
    pacer.soon(() => void done.push('figures'), 3);
    vi.advanceTimersByTime(250);
    expect(done).toEqual([]);
    vi.advanceTimersByTime(50);
    expect(done).toEqual(['figures']);
  });

  it('forgets', () => {
    const pacer = new Pacer(100);
    const task = vi.fn();
    pacer.soon(task);
    pacer.cancel(task);
    vi.advanceTimersByTime(200);
    expect(task).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('PacedState', () => {
  it('changes at once with all that waited, or when it is time', () => {
    const state = new PacedState<{ a: number; b: number }>({ a: 0, b: 0 }, new Pacer(10));
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
