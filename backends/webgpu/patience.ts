/**
 * Waits for a software adapter without taking its processor away. While something is awaited from Dawn it is asked in
 * every turn of the event loop, and the loop turns without a rest: a core of the few that the adapter computes on. So the
 * loop rests a millisecond a turn meanwhile; timers, keys and sockets get their turn as before.
 */
const cell = new Int32Array(new SharedArrayBuffer(4)); // stays 0: nobody wakes who waits on it

const REST_MS = 1;

let waiting = 0; // how many wait; one rest a turn is enough for all

/** What `work` promises. */
export async function patiently<T>(work: Promise<T>): Promise<T> {
  if (waiting++ === 0) setImmediate(rest);
  try {
    return await work;
  } finally {
    waiting--;
  }
}

function rest(): void {
  if (waiting === 0) return;
  Atomics.wait(cell, 0, 0, REST_MS);
  setImmediate(rest);
}
