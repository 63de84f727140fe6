/** The terminal while Ink draws on it: what a chat asks of it besides frames. */
import type { useApp } from 'ink';
import { editExternally } from '../editor/external-editor.ts';
import type { Surroundings } from './chat-screen.ts';
import { suspendProcess } from './suspend-process.ts';

export type InkApp = ReturnType<typeof useApp>;

/** The whole screen, then one line down: where the live region began in the corner, tmux would keep a copy of it. */
const CLEAR = '\x1b[2J\x1b[H\n';

export class InkTerminal implements Surroundings {
  #app: InkApp | undefined; // once the first frame is drawn
  #away = false;

  readonly attach = (app: InkApp): void => {
    this.#app = app;
  };

  /** Another program has the terminal. */
  get away(): boolean {
    return this.#away;
  }

  write(data: string): void {
    process.stdout.write(data);
  }

  suspend(): Promise<void> {
    return this.#give(suspendProcess);
  }

  editExternally(text: string): Promise<string> {
    return editExternally(text, { env: process.env, suspend: (work) => this.#give(work) });
  }

  redraw(): void {
    void this.#give(() => this.write(CLEAR));
  }

  exit(): void {
    this.#app?.exit();
  }

  /** Runs `work` with the terminal as the shell had it; then the frame is drawn anew. */
  async #give(work: () => void | Promise<void>): Promise<void> {
    this.#away = true;
    try {
      await this.#app?.suspendTerminal(work);
    } finally {
      this.#away = false;
    }
  }
}
