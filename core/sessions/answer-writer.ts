/** An answer on its way into the store: text is collected and written every half second. */
import type { AnswerOrigin } from '../conversation.ts';

export interface AnswerWriter {
  /** Adds text; it is on disk half a second later. Never fails: what cannot be written now is tried again. */
  text(piece: string): void;
  /** The last call, with how the answer came about. Throws UserError where it cannot be written. */
  end(origin: AnswerOrigin): void;
}

const FLUSH_MS = 500;

interface Destination {
  save(text: string): void;
  /** Saves the last of the text too. */
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
    // A busy event loop lets no timer run: then the text itself brings the moment.
    if (wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait).unref();
  }

  /** Writes what there is, except half of a surrogate pair, which UTF-8 cannot hold. */
  flush(): void {
    this.#restTimer();
    const whole = this.#buffer.replace(/[\ud800-\udbff]$/, '');
    if (whole === '') return;
    try {
      this.#destination.save(whole);
      this.#buffer = this.#buffer.slice(whole.length);
    } catch {
      // It stays in the buffer for the next time; `end` says what is wrong if that does not help.
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
