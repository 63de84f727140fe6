/**
 * Asks the terminal whether its background is dark or light: OSC 11 for the colour, then DA1. Every terminal answers DA1,
 * so that one without OSC 11 causes no wait. Keys that the user presses meanwhile are put back into the stream.
 * Control sequences: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
 */
import type { Readable, Writable } from 'node:stream';
import { holdSignals } from '../signals.ts';
import type { Look } from './theme.ts';

const ASK = '\x1b]11;?\x1b\\\x1b[c';
/** Components have 1 to 4 hexadecimal digits. A terminal with transparency answers rgba. */
const COLOR =
  /\x1b\]11;rgba?:([\da-f]{1,4})\/([\da-f]{1,4})\/([\da-f]{1,4})(?:\/[\da-f]{1,4})?(?:\x07|\x1b\\)/i;
const ATTRIBUTES = /\x1b\[\?[\d;]*c/;
/** A longer wait would delay the first frame. On a slow connection the assumed background stays. */
const WAIT_MS = 120;

/** Undefined without an answer. The stream must be in raw mode and have no other reader. */
export async function askBackground(
  stdin: Readable,
  stdout: Writable,
  waitMs = WAIT_MS,
): Promise<Look['background'] | undefined> {
  let received = '';
  const release = holdSignals(); // a process that ended now would leave the answer to the shell, as if it were typed
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, waitMs);
    function done() {
      clearTimeout(timer);
      stdin.off('data', listen);
      stdin.pause();
      resolve();
    }
    function listen(chunk: Buffer | string) {
      received += chunk.toString();
      if (ATTRIBUTES.test(received)) done();
    }
    stdin.on('data', listen);
    stdout.write(ASK);
  });
  release();
  const typed = received.replace(COLOR, '').replace(ATTRIBUTES, '');
  if (typed !== '') stdin.unshift(Buffer.from(typed));
  const [, ...components] = COLOR.exec(received) ?? [];
  return components.length > 0 ? backgroundOf(components) : undefined;
}

/** By perceived brightness (ITU-R BT.601 luma). */
function backgroundOf(components: readonly string[]): Look['background'] {
  const [red, green, blue] = components.map((hex) => Number.parseInt(hex, 16) / (16 ** hex.length - 1));
  return 0.299 * red! + 0.587 * green! + 0.114 * blue! > 0.5 ? 'light' : 'dark';
}

/** A late answer as Ink reports it: without its escape. */
export function isLateAnswer(input: string): boolean {
  return /^(\x1b?\]11;rgba?:|\x1b?\[\?[\d;]+c)/.test(input);
}
