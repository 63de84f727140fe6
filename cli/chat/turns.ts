/**
 * Runs one thing at a time: answers, model loads, and slash commands that take long. Messages wait in a queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChatPhase, ChatState, Queued } from './chat-state.ts';
import type { PacedState } from './paced-state.ts';
import type { Transcript } from './transcript.ts';

/** Should end soon after `signal` aborts. */
export type Work = (signal: AbortSignal) => Promise<void>;

interface TurnsOptions {
  readonly state: PacedState<ChatState>;
  readonly transcript: Transcript;
  /** Whether queued messages can be sent; they can once there is a model. */
  readonly canSend: () => boolean;
  readonly send: (text: string, signal: AbortSignal) => Promise<void>;
}

export class Turns {
  readonly #options: TurnsOptions;
  #running: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** True from the start until the first model is loaded, too. */
  get busy(): boolean {
    return this.#state.phase !== 'idle';
  }

  /** Queues a message or a command. It is sent or run at once if nothing runs. */
  queue(line: Queued): void {
    this.#change({ queued: [...this.#state.queued, line] });
    this.#sendNext();
  }

  /** Removes the newest line from the queue and returns its text. */
  unqueue(): string | undefined {
    const { queued } = this.#state;
    this.#change({ queued: queued.slice(0, -1) });
    return queued.at(-1)?.text;
  }

  /**
   * Runs `work` in `phase`, then sends the next queued message. Errors go to the transcript, except an abort.
   *
   * @returns whether the work completed
   */
  async run(phase: ChatPhase, work: Work, change: Partial<ChatState> = {}): Promise<boolean> {
    const abort = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#running = { abort, ended };
    this.#change({ ...change, phase });
    try {
      await work(abort.signal);
      return true;
    } catch (error) {
      const isAbort = abort.signal.aborted && error === abort.signal.reason;
      if (!isAbort) this.#options.transcript.add({ kind: 'error', error });
      return false;
    } finally {
      this.#running = undefined;
      this.#change({ phase: 'idle', reading: undefined, loading: undefined });
      end();
      this.#sendNext();
    }
  }

  /** Aborts the running work. */
  stop(): void {
    this.#running?.abort.abort();
  }

  /** Empties the queue, aborts the running work and waits for it, at most `graceMs`. It does not wait for a model load. */
  async close(graceMs: number): Promise<void> {
    this.#change({ queued: [] });
    this.stop();
    if (!this.#running || this.#state.phase === 'loading') return;
    const timer = new AbortController();
    const grace = sleep(graceMs, undefined, { signal: timer.signal }).catch(() => {}); // rejects when it is aborted
    await Promise.race([this.#running.ended, grace]);
    timer.abort();
  }

  get #state(): ChatState {
    return this.#options.state.store.get();
  }

  #change(change: Partial<ChatState>): void {
    this.#options.state.now(change);
  }

  #sendNext(): void {
    const [line, ...queued] = this.#state.queued;
    if (line === undefined || this.busy) return;
    const { text, run } = line;
    if (run) {
      this.#change({ queued });
      void run().finally(() => this.#sendNext());
      return;
    }
    if (!this.#options.canSend()) return;
    void this.run('reading', (signal) => this.#options.send(text, signal), { queued });
  }
}
