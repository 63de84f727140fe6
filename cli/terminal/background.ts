/**
 * Whether the terminal's background is dark or light, by asking it: OSC 11 for the colour, then DA1, which every
 * terminal answers, so that one that does not know the first is not waited for. What the user types meanwhile is put
 * back. Control sequences: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
 */
import type { Readable, Writable } from 'node:stream';
import type { Look } from './theme.ts';

const ASK = '\x1b]11;?\x1b\\\x1b[c';
/** Components of 1 to 4 hexadecimal digits; rgba where there is transparency. */
const COLOR =
  /\x1b\]11;rgba?:([\da-f]{1,4})\/([\da-f]{1,4})\/([\da-f]{1,4})(?:\/[\da-f]{1,4})?(?:\x07|\x1b\\)/i;
const ATTRIBUTES = /\x1b\[\?[\d;]*c/;
/** Beyond this a first frame would be late; slow lines keep what was assumed. */
const WAIT_MS = 120;

/** Undefined where the terminal does not say. The stream must be in raw mode, and nobody else read it. */
export async function askBackground(
  stdin: Readable,
  stdout: Writable,
  waitMs = WAIT_MS,
): Promise<Look['background'] | undefined> {
  let received = '';
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

/** An answer that came when nobody waited for it any more, as Ink passes it on: without its escape. */
export function isLateAnswer(input: string): boolean {
  return /^(\x1b?\]11;rgba?:|\x1b?\[\?[\d;]+c)/.test(input);
}
