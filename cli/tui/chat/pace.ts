/** Milliseconds between two frames: where few cores compute, drawing takes from them. */
export const FLUSH_MS = 66;
