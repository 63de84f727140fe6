/**
 * A terminal that is written to once a turn: a frame comes in four pieces, and each write waits for the terminal. At the
 * end of the process, where no further turn comes, writes go through at once.
 */
export function gatheredOutput(stdout: NodeJS.WriteStream): NodeJS.WriteStream {
  let pieces: string[] = [];
  let callbacks: (() => void)[] = [];
  let ending = false;
  const flush = () => {
    if (pieces.length === 0) return;
    const text = pieces.join('');
    const done = callbacks;
    pieces = [];
    callbacks = [];
    stdout.write(text, () => {
      for (const callback of done) callback();
    });
  };
  process.once('exit', () => {
    ending = true;
    flush();
  });
  const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: () => void): boolean => {
    const done = typeof encoding === 'function' ? (encoding as () => void) : callback;
    if (pieces.length === 0 && !ending) process.nextTick(flush);
    pieces.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    if (done) callbacks.push(done);
    if (ending) flush();
    return true;
  };
  return new Proxy(stdout, {
    get(target, name) {
      if (name === 'write') return write;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
