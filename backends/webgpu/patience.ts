/**
 * Waits for a software adapter without occupying a core that it computes on. While a promise of Dawn is pending, every
 * iteration of the event loop polls Dawn, and the loop never blocks. So each iteration sleeps a millisecond meanwhile;
 * timers, keys and sockets are still served.
 */
const cell = new Int32Array(new SharedArrayBuffer(4)); // stays 0, so a wait on it always times out

const REST_MS = 1;
/** Shorter waits have no sleep: it would be most of their time. */
const SHORT_MS = 5;

let waiting = 0; // pending calls of `patiently`
let since = 0; // performance.now() at the start of the first of them
let resting = false; // the loop of sleeps is running; one serves all pending calls

/** Awaits `work`; the event loop sleeps between its iterations meanwhile. */
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
