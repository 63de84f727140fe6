/**
 * Decides whether stdin belongs to the prompt. Whoever starts percept decides what stdin is, and most starters do not
 * think of it: a library's open pipe, a script that a shell reads its commands from, a terminal that is gone.
 *
 * - `-` reads it to its end, `--no-stdin` leaves it alone. Without a prompt it is read.
 * - A terminal is left alone, and so is the script of a shell that reads its commands from the same file or pipe.
 * - A file is read.
 * - A pipe or socket on which something comes is read to its end. If it stays silent, then a pipe is waited for as long as
 *   a process of the user's shell can write to it. If only the process that has started percept can, it is not, and a
 *   note says so. Who holds the other end of a socket is unknown, so a silent one is not waited for.
 *
 * Scripts and writers are recognized by /proc. Without it (macOS, Windows) no script is recognized, and every pipe is
 * waited for: a late answer hurts less than lost content.
 */
import { fstatSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import type { OpenFile, Process } from './processes.ts';

export type StdinKind = 'terminal' | 'file' | 'device' | 'pipe' | 'socket' | 'folder' | 'none';

export interface StdinRequest {
  /** `-`: always; `--no-stdin`: never. */
  readonly wanted: 'always' | 'never' | 'if there';
  readonly hasPrompt: boolean;
}

/** An ancestor that is a shell and has stdin open on its own descriptor 0. */
export interface SharingShell {
  readonly process: Process;
  /** The program that this shell has started: percept, or an ancestor of it. */
  readonly started: Process;
  /** The file is the same open file, with one common position. */
  readonly sharesPosition: boolean;
  /** Files that it has open for itself, at descriptors from 10 on. */
  readonly kept: readonly OpenFile[];
}

/** A process that can write to the pipe. */
export interface Writer {
  readonly isAncestor: boolean;
  readonly isShell: boolean;
  /** It reads the same pipe, so it has inherited both ends. */
  readonly readsIt: boolean;
}

export type Choice = 'read' | 'leave' | 'listen';

/** Reads no byte. `listen`: read if something comes soon. */
export function chooseStdin(asked: StdinRequest, kind: StdinKind, shells: readonly SharingShell[]): Choice {
  if (asked.wanted === 'always') return 'read';
  if (asked.wanted === 'never' || kind === 'terminal') return 'leave';
  if (shells.some(readsCommandsThere)) return 'leave';
  if (!asked.hasPrompt) return 'read';
  if (kind === 'none' || kind === 'folder') return 'leave';
  return kind === 'file' || kind === 'device' ? 'read' : 'listen';
}

/**
 * Whether a silent pipe is a shell's, so that something may come late.
 * @param hidden processes of this session, no ancestors, whose files may not be looked at: sudo, for one
 */
export function isShellsPipe(writers: readonly Writer[], hidden: number): boolean {
  if (writers.length === 0) return hidden > 0;
  return writers.some(({ isAncestor, isShell, readsIt }) => !isAncestor || (isShell && !readsIt));
}

const SHELLS = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'mksh', 'yash', 'fish']);

export function isShell(process: Process): boolean {
  return SHELLS.has(programOf(process));
}

/** `bash` for `-bash` and /bin/bash. */
function programOf({ command: [first = ''] }: Process): string {
  return basename(first).replace(/^-/, '');
}

/** A subshell shares its descriptor 0 with what is piped to it; only the shell that was started counts. */
function readsCommandsThere({ process, started, sharesPosition, kept }: SharingShell): boolean {
  if (process.isCopy || !sharesPosition || !takesCommandsFromStdin(process.command)) return false;
  const isJob = process.group !== started.group;
  return !kept.some((file) => holdsCommands(file, { isJob, isZsh: programOf(process) === 'zsh' }));
}

/** True for `bash`, `sh -s arg` and `bash /dev/stdin`; false for `bash script.sh` and `bash -c commands`. */
function takesCommandsFromStdin([, ...words]: readonly string[]): boolean {
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') return i + 1 >= words.length || isStdinPath(words[i + 1]!);
    if (!/^[-+]./.test(word)) return isStdinPath(word);
    if (/^-[a-zA-Z]*c/.test(word)) return false;
    if (/^-[a-zA-Z]*s/.test(word)) return true;
    if (/^[-+][a-zA-Z]*[oO]$/.test(word) || word === '--rcfile' || word === '--init-file') i++; // a value follows
  }
  return true;
}

function isStdinPath(word: string): boolean {
  return ['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'].includes(word);
}

/**
 * A shell that redirects its own stdin, as in `{ ...; } < data`, keeps the file of its commands at a high descriptor. For
 * an interactive shell that is the terminal, and its jobs have groups of their own. zsh keeps pipes of its jobs there too.
 */
function holdsCommands(
  { target, readable }: OpenFile,
  { isJob, isZsh }: { isJob: boolean; isZsh: boolean },
): boolean {
  if (!readable) return false;
  if (/^\/dev\/(tty|pts\/|console)/.test(target)) return isJob;
  if (target.startsWith('pipe:')) return !isZsh;
  return target.startsWith('/') && !target.startsWith('/dev/');
}

export function stdinIsTerminal(): boolean {
  return isatty(0);
}

export function stdinKind(): StdinKind {
  if (stdinIsTerminal()) return 'terminal';
  try {
    const stats = fstatSync(0);
    if (stats.isDirectory()) return 'folder';
    if (stats.isSocket()) return 'socket';
    if (stats.isCharacterDevice()) return 'device'; // /dev/null: no shell reads commands there
    return stats.isFIFO() ? 'pipe' : 'file';
  } catch {
    return 'none';
  }
}
