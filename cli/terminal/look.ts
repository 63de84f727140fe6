/** What a terminal can show: how many colours, on a dark or a light background, and whether more than ASCII. */
import type { WriteStream } from 'node:tty';
import { colorLevel } from '../output.ts';
import type { Look } from './theme.ts';

export interface LookOptions {
  readonly noColor?: boolean;
  readonly ascii?: boolean; // no glyph outside ASCII, whatever the terminal can show
  readonly env?: NodeJS.ProcessEnv;
}

/** The look of what is written to `stream`. */
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
 * Whether glyphs outside ASCII cannot be counted on: the Linux console, whose font lacks most of them, a locale that is
 * not UTF-8, and the old console of Windows. Where no locale is set, as in many containers, UTF-8 is taken.
 */
export function asciiOnly(env: NodeJS.ProcessEnv, platform = process.platform): boolean {
  if (env.TERM === 'linux') return true;
  if (platform === 'win32') return !(env.WT_SESSION || env.TERM_PROGRAM || env.TERM);
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  return locale ? !/utf-?8/i.test(locale) : false;
}

/** Names in TERM_PROGRAM and beginnings of TERM of terminals that know OSC 8, as their manuals say. */
const LINKING = /^(iTerm\.app|WezTerm|vscode|ghostty|Hyper|rio)$/;
const LINKING_TERM = /^(xterm-kitty|xterm-ghostty|alacritty|foot|wezterm)/;

/** Whether the terminal makes a link of OSC 8. Not asked for: no terminal answers that question. */
export function hyperlinks({
  TERM_PROGRAM = '',
  TERM = '',
  VTE_VERSION,
  WT_SESSION,
  TMUX,
}: NodeJS.ProcessEnv): boolean {
  if (TMUX) return false; // passes them on from version 3.4 on, and only where it is told so
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
 * Whether the terminal is known to wrap lines anew when it becomes narrower, and to keep the cursor at its character:
 * xterm, screen and mosh cut lines, and xterm.js (vscode) moves the cursor for lines below it too.
 */
export function reflows(env: NodeJS.ProcessEnv): boolean {
  const { TERM_PROGRAM = '', TERM = '' } = env;
  if (REFLOWING.test(TERM_PROGRAM) || REFLOWING_TERM.test(TERM)) return true;
  return REFLOWING_MARKS.some((name) => env[name]);
}

/** As some terminals tell in COLORFGBG, "foreground;background": 7 and 9 to 15 are light. Else dark. */
function backgroundOf({ COLORFGBG }: NodeJS.ProcessEnv): Look['background'] {
  const color = Number(/;(\d+)$/.exec(COLORFGBG ?? '')?.[1]);
  return color === 7 || (color >= 9 && color <= 15) ? 'light' : 'dark';
}
