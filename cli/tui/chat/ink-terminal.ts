/** The terminal while Ink draws on it: what a chat needs from it besides frames. */
import type { useApp } from 'ink';
import type { LiveRegion } from '../../terminal/live-region.ts';
import { suspendProcess } from '../../terminal/suspend-process.ts';
import { editExternally } from '../editor/external-editor.ts';
import type { Surroundings } from './chat-screen.ts';

export type InkApp = ReturnType<typeof useApp>;

export class InkTerminal implements Surroundings {
  readonly #region: LiveRegion;
  #app: InkApp | undefined; // undefined until the first frame
  #away = false;

  constructor(region: LiveRegion) {
    this.#region = region;
  }

  readonly attach = (app: InkApp): void => {
    this.#app = app;
  };

  /** Whether another program has the terminal. */
  get away(): boolean {
    return this.#away;
  }

  write(data: string): void {
    process.stdout.write(data);
  }

  suspend(): Promise<void> {
    return this.#away ? suspendProcess() : this.#give(suspendProcess); // an editor stops all of us
  }

  editExternally(text: string): Promise<string> {
    return editExternally(text, { env: process.env, suspend: (work) => this.#give(work) });
  }

  redraw(): void {
    this.#region.redraw();
  }

  exit(): void {
    this.#app?.exit();
  }

  /** Restores the terminal for the shell, runs `work`, then redraws the frame. */
  async #give(work: () => Promise<void>): Promise<void> {
    this.#away = true;
    try {
      await this.#app?.suspendTerminal(async () => {
        this.#region.leave();
        await work().finally(() => this.#region.enter());
      });
    } finally {
      this.#away = false;
    }
  }
}
