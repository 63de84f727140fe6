/**
 * Waits for a software adapter without taking its processor away. While something is awaited from Dawn it is asked in
 * every turn of the event loop, and the loop turns without a rest: a core of the few that the adapter computes on. So the
 * loop rests a millisecond a turn meanwhile; timers, keys and sockets get their turn as before.
 */
const cell = new Int32Array(new SharedArrayBuffer(4)); // stays 0: nobody wakes who waits on it

const REST_MS = 1;
/** What takes less is asked for without a rest, which would be most of its time. */
const SHORT_MS = 5;

let waiting = 0; // how many wait
let since = 0; // performance.now() when the first of them began
let resting = false; // the loop of rests goes on: one is enough for all who wait

/** What `work` promises. */
export async function patiently<T>(work: Promise<T>): Promise<T> {
  if (waiting++ === 0) since = performance.now();
  if (!resting) setImmediate(rest);
  resting = true;
  try {
    return await work;
  } finally {
    waiting--;
  }
}

function rest(): void {
  resting = waiting > 0;
  if (!resting) return;
  if (performance.now() - since > SHORT_MS) Atomics.wait(cell, 0, 0, REST_MS);
  setImmediate(rest);
}
