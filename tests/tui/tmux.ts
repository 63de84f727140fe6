/** A program in a real terminal: tmux with its own server. */
import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A reason to skip; undefined if tmux is there. */
export const NO_TMUX = spawnSync('tmux', ['-V']).status === 0 ? undefined : 'there is no tmux';

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const WAIT_MS = 20_000;

let servers = 0;

export class Terminal {
  readonly #server = `percept-${process.pid}-${servers++}`;

  /** Starts a shell command line; the shell's output stays on screen. */
  constructor(command: string, { columns = 80, rows = 24, env = {}, cwd }: TerminalOptions = {}) {
    const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const size = ['-x', `${columns}`, '-y', `${rows}`];
    const folder = cwd === undefined ? [] : ['-c', cwd];
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      ...size,
      ...variables,
      ...folder,
      'bash --norc --noprofile',
    );
    this.#tmux('set-option', '-g', 'history-limit', '20000');
    onTestFinished(() => this.close());
    this.type(`PS1='$ '; ${command}`);
    this.press('Enter');
  }

  /** Closes the window: its processes get SIGHUP from the kernel. */
  close(): void {
    spawnSync('tmux', ['-L', this.#server, 'kill-server']);
  }

  /** Keys by tmux's names: Enter, C-j, M-b, Escape. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  type(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  /** Pastes text with each newline as Enter, bracketed if the program enabled that. */
  paste(text: string, { bracketed = true } = {}): void {
    execFileSync('tmux', ['-L', this.#server, 'load-buffer', '-'], { input: text });
    this.#tmux('paste-buffer', ...(bracketed ? ['-p'] : []));
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  /** The text on screen; with `history` also scrolled-away lines. */
  screen({ history = false, styled = false } = {}): string {
    const flags = [...(history ? ['-S', '-'] : []), ...(styled ? ['-e'] : [])];
    return this.#tmux('capture-pane', '-p', ...flags);
  }

  /** A value of tmux, by its format name: cursor_x, alternate_on, pane_title. */
  fact(name: string): string {
    return this.#tmux('display-message', '-p', `#{${name}}`).trim();
  }

  /** The screen once it shows `pattern`; fails with what it shows instead. */
  async shows(pattern: RegExp | string, options: { history?: boolean } = {}): Promise<string> {
    const matches = (screen: string) =>
      typeof pattern === 'string' ? screen.includes(pattern) : pattern.test(screen);
    const end = performance.now() + WAIT_MS;
    for (;;) {
      const screen = this.screen(options);
      if (matches(screen)) return screen;
      if (performance.now() > end) throw new Error(`Expected ${pattern} on the screen, got:\n${screen}`);
      await sleep(20);
    }
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-L', this.#server, ...args], { encoding: 'utf8', env: CLEAN });
  }
}

/** The environment without the tester's own settings. */
const FOREIGN = /^(PERCEPT_|NODE_|VITEST|TMUX|(NO_COLOR|FORCE_COLOR|CI|EDITOR|VISUAL|INK_SCREEN_READER)$)/;
const CLEAN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN.test(name)));
