/** Stores an answer while it is generated. Text is collected and written every half second. */
import type { AnswerOrigin } from '../conversation.ts';

export interface AnswerWriter {
  /** Adds text, which is on disk half a second later. Never throws: a failed write is retried with the next one. */
  text(piece: string): void;
  /** Ends the answer; no call may follow. Throws UserError if it cannot be written. */
  end(origin: AnswerOrigin): void;
}

const FLUSH_MS = 500;

interface Destination {
  save(text: string): void;
  /** Saves the remaining text and the end. */
  end(text: string, origin: AnswerOrigin): void;
}

export class BufferedAnswer implements AnswerWriter {
  readonly #destination: Destination;
  #buffer = '';
  #flushedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  text(piece: string): void {
    this.#buffer += piece;
    const wait = this.#flushedAt + FLUSH_MS - performance.now();
    // A busy event loop may not run timers, so text is also flushed here.
    if (wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait).unref();
  }

  /** Writes the collected text, except half of a surrogate pair, which UTF-8 cannot encode. */
  flush(): void {
    this.#restTimer();
    const whole = this.#buffer.replace(/[\ud800-\udbff]$/, '');
    if (whole === '') return;
    try {
      this.#destination.save(whole);
      this.#buffer = this.#buffer.slice(whole.length);
    } catch {
      // The text stays in the buffer for the next write. If that fails too, `end` throws.
    }
  }

  end(origin: AnswerOrigin): void {
    this.#restTimer();
    this.#destination.end(this.#buffer, origin);
  }

  #restTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushedAt = performance.now();
  }
}
