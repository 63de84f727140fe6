/** Task counter and barrier that the threads of a step share. */
import { ARRIVED, NEXT_TASK, PASSED, SLEEPERS } from './layout';

/**
 * Loads before a thread sleeps: about 6 us. A longer spin is faster on an idle machine, but on a busy one it takes the
 * core from the thread we are waiting for (LOG.md).
 */
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
