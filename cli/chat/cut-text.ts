/** A text of unknown length, of which the beginning and the end are kept. */

/** Characters of each, about 32 kB. */
const KEPT = 32_000;

export class CutText {
  #head = '';
  #tail = ''; // at most twice KEPT
  #dropped = 0; // characters between them

  /** Adds text. Returns the part of it that belongs to the beginning. */
  add(text: string): string {
    const room = KEPT - this.#head.length;
    const first = text.slice(0, room);
    this.#head += first;
    this.#tail += text.slice(first.length);
    if (this.#tail.length > 2 * KEPT) this.#shorten();
    return first;
  }

  /** What follows the beginning: how much is left out, and the end. Empty if the beginning is all. */
  rest(): string {
    if (this.#tail.length > KEPT) this.#shorten();
    if (this.#dropped === 0) return this.#tail;
    return `\n[... ${this.#dropped} characters left out ...]\n${this.#tail}`;
  }

  get text(): string {
    return `${this.#head}${this.rest()}`.toWellFormed();
  }

  #shorten(): void {
    const cut = this.#tail.length - KEPT;
    this.#dropped += cut;
    this.#tail = this.#tail.slice(cut);
  }
}
