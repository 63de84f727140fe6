import type { Spans } from '../tokenizer/spans.ts';

const MAX_STEPS = 1_000_000; // evaluated nodes; real templates take up to 200 a message
const MAX_SIZE = 1 << 22; // characters of a string; characters and elements of a list or mapping

/** Characters that an element of a list counts for. */
export const ELEMENT = 8;

// What takes about the time of a node, or, for what is made, its memory.
const MADE = 64; // characters of a new text
const READ = 128; // characters that are read or compared
const CALLS = 8; // characters that a function may be called for
const SPAN = 8; // characters that a boundary of markup counts for

/**
 * Bounds the work and the memory of one rendering, whatever operations they go into. Both grow with the input, so that
 * long messages are the messages' limit and not the template's.
 */
export class Budget {
  readonly #steps: number;
  readonly #size: number;
  #used = 0;

  /** `input`: characters of the variables. */
  constructor(input: number) {
    this.#steps = MAX_STEPS + input;
    this.#size = MAX_SIZE + 2 * input;
  }

  /** Charges evaluated nodes, or what takes as long. */
  step(steps: number): void {
    this.#used += steps;
    if (!(this.#used <= this.#steps)) throw new Error(`it takes more than ${this.#steps} steps`);
  }

  read(characters: number): void {
    this.step(characters / READ);
  }

  /** Charges a function that may be called for each character. */
  call(characters: number): void {
    this.step(characters / CALLS);
  }

  /** Charges a search for a text; at worst each place is compared with all of it. */
  search(text: string, wanted: string): void {
    this.read(text.length * Math.min(wanted.length, text.length));
  }

  /** Charges a text before it is made. */
  make(characters: number, markup?: Spans): void {
    const size = characters + SPAN * (markup?.length ?? 0);
    this.fit(size);
    this.step(size / MADE);
  }

  fit(size: number): void {
    if (!(size <= this.#size)) throw new Error(`it makes a value of more than ${this.#size} characters`);
  }
}
