/** Assumes 80 x 24 for a terminal that says it has no columns or rows, such as a serial console. */
import type { WriteStream } from 'node:tty';

const COLUMNS = 80;
const ROWS = 24;

/** Mends the size of `stream` now and after each change. Call it before others listen. */
export function assumeSize(stream: WriteStream): void {
  if (!stream.isTTY) return;
  const mend = () => {
    stream.columns ||= COLUMNS;
    stream.rows ||= ROWS;
  };
  mend();
  stream.prependListener('resize', mend);
}
