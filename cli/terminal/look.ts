/** The abilities of a terminal: colours, background, glyphs outside ASCII, links, reflow. */
import type { WriteStream } from 'node:tty';
import { colorLevel } from '../output.ts';
import type { Look } from './theme.ts';

export interface LookOptions {
  readonly noColor?: boolean;
  readonly ascii?: boolean; // only ASCII glyphs, on any terminal
  readonly env?: NodeJS.ProcessEnv;
}

/** The look of output to `stream`. */
export function lookOf(
  stream: Pick<WriteStream, 'isTTY' | 'getColorDepth'>,
  { noColor, ascii, env = process.env }: LookOptions = {},
): Look {
  return {
    color: colorLevel(stream, env, noColor),
    background: backgroundOf(env),
    ascii: ascii || asciiOnly(env),
  };
}

/**
 * Whether to avoid glyphs outside ASCII: on the Linux console, whose font lacks most of them, in a locale that is not
 * UTF-8, and on the old console of Windows. Without a locale, as in many containers, UTF-8 is assumed.
 */
export function asciiOnly(env: NodeJS.ProcessEnv, platform = process.platform): boolean {
  if (env.TERM === 'linux') return true;
  if (platform === 'win32') return !(env.WT_SESSION || env.TERM_PROGRAM || env.TERM);
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  return locale ? !/utf-?8/i.test(locale) : false;
}

/**
 * Whether to print plain lines and never redraw: on a terminal that cannot move its cursor, and for a screen reader, which
 * would read every change again.
 */
export function wantsPlainLines(screenReader: boolean | undefined, env = process.env): boolean {
  return (screenReader ?? env.INK_SCREEN_READER === 'true') || env.TERM === 'dumb' || Boolean(env.CI);
}

/** TERM_PROGRAM and prefixes of TERM of terminals that support OSC 8, according to their manuals. */
const LINKING = /^(iTerm\.app|WezTerm|vscode|ghostty|Hyper|rio)$/;
const LINKING_TERM = /^(xterm-kitty|xterm-ghostty|alacritty|foot|wezterm)/;

/** Whether the terminal shows OSC 8 as a link. Guessed, because no terminal answers this question. */
export function hyperlinks({
  TERM_PROGRAM = '',
  TERM = '',
  VTE_VERSION,
  WT_SESSION,
  TMUX,
}: NodeJS.ProcessEnv): boolean {
  if (TMUX) return false; // passes links on only since version 3.4 and only if configured
  return (
    LINKING.test(TERM_PROGRAM) ||
    LINKING_TERM.test(TERM) ||
    Number(VTE_VERSION) >= 5000 ||
    Boolean(WT_SESSION)
  );
}

const REFLOWING = /^(iTerm\.app|Apple_Terminal|WezTerm|ghostty)$/;
const REFLOWING_TERM = /^(xterm-kitty|xterm-ghostty|alacritty|foot|wezterm)/;
const REFLOWING_MARKS = ['TMUX', 'VTE_VERSION', 'KONSOLE_VERSION', 'WT_SESSION', 'KITTY_WINDOW_ID'];

/**
 * Whether the terminal is known to rewrap lines when it becomes narrower, with the cursor staying at its character. xterm,
 * screen and mosh cut lines; xterm.js (vscode) moves the cursor for lines below it too.
 */
export function reflows(env: NodeJS.ProcessEnv): boolean {
  const { TERM_PROGRAM = '', TERM = '' } = env;
  if (REFLOWING.test(TERM_PROGRAM) || REFLOWING_TERM.test(TERM)) return true;
  return REFLOWING_MARKS.some((name) => env[name]);
}

/** Some terminals set COLORFGBG to "foreground;background": 7 and 9 to 15 are light. Otherwise dark is assumed. */
function backgroundOf({ COLORFGBG }: NodeJS.ProcessEnv): Look['background'] {
  const color = Number(/;(\d+)$/.exec(COLORFGBG ?? '')?.[1]);
  return color === 7 || (color >= 9 && color <= 15) ? 'light' : 'dark';
}
