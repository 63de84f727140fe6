/** Threads of a step share phases: they take tasks from one counter and meet at one barrier. */
import { ARRIVED, NEXT_TASK, PASSED, SLEEPERS } from './layout';

/** Loads before a thread sleeps: some 6 us. More is faster alone, but keeps the core from who is waited for (LOG.md). */
const SPIN = 6000;

/** Next task of the running phase; the caller stops at the phase's task count. */
// @ts-ignore: decorator
@inline
export function takeTask(): i32 {
  return atomic.add<i32>(NEXT_TASK, 1);
}

/** Returns when all threads have arrived; their stores are visible and the task counter is zero. */
export function barrier(threads: i32): void {
  const passed = atomic.load<i32>(PASSED);
  if (atomic.add<i32>(ARRIVED, 1) == threads - 1) {
    atomic.store<i32>(ARRIVED, 0);
    atomic.store<i32>(NEXT_TASK, 0);
    atomic.store<i32>(PASSED, passed + 1);
    if (atomic.load<i32>(SLEEPERS) != 0) atomic.notify(PASSED, -1);
    return;
  }
  for (let i = 0; i < SPIN; i++) {
    if (atomic.load<i32>(PASSED) != passed) return;
  }
  atomic.add<i32>(SLEEPERS, 1);
  while (atomic.load<i32>(PASSED) == passed) atomic.wait<i32>(PASSED, passed, -1);
  atomic.sub<i32>(SLEEPERS, 1);
}
