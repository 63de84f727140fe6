import type { Output } from './output.ts';
import { bar } from './progress.ts';

/** Which piece of work of how many: a bar where a person watches, else a line when another kind begins. */
export class CountedProgress {
  readonly #output: Output;
  readonly #total: number;
  #done = 0;
  #kind = '';

  constructor(output: Output, total: number) {
    this.#output = output;
    this.#total = total;
  }

  /** Takes the bar away when the work has ended, one way or the other. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      if (this.#output.progressBars) this.#output.status('');
    }
  }

  /** @param kind of which a line is written once, where no bar is drawn */
  next(label: string, kind = label): void {
    const count = `${this.#done + 1} of ${this.#total}`;
    if (this.#output.progressBars) {
      this.#output.status(`${bar(this.#done / this.#total)}  ${count}  ${label}`);
    } else if (kind !== this.#kind) {
      this.#output.note(`${count}: ${kind}`);
    }
    this.#kind = kind;
    this.#done++;
  }
}
