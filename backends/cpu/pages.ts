/**
 * The page tables of sequences. A page is a run of positions of all states. Sequences with the same beginning share
 * pages; a sequence that writes to a shared page gets a copy of its own first.
 */
import { UserError } from '../../errors.ts';

/** The copy of the first `positions` positions of a page to another page. */
export interface PageCopy {
  readonly from: number;
  readonly to: number;
  readonly positions: number;
}

export class Pages {
  readonly #pagePositions: number;
  readonly #tables: number[][]; // [sequence][index of the page in it]: page
  readonly #holders: number[]; // [page]: number of sequences that hold it

  constructor({
    count,
    pagePositions,
    sequences,
  }: { count: number; pagePositions: number; sequences: number }) {
    this.#pagePositions = pagePositions;
    this.#tables = Array.from({ length: sequences }, () => []);
    this.#holders = new Array(count).fill(0);
  }

  /** The pages of a sequence, in order. */
  table(seq: number): readonly number[] {
    return this.#tables[seq]!;
  }

  /** Positions in pages that no sequence holds. */
  get free(): number {
    return this.#pagePositions * this.#holders.filter((holders) => holders === 0).length;
  }

  /**
   * Gives a sequence pages of its own for positions begin to end - 1, and keeps the positions before. Returns the copies
   * that must be made first. Throws UserError of kind context, and changes nothing, if too few pages are free.
   */
  write(seq: number, begin: number, end: number): PageCopy[] {
    const table = this.#tables[seq]!;
    const first = Math.floor(begin / this.#pagePositions);
    const pages = Math.ceil(end / this.#pagePositions);
    const shared = table.slice(first, pages).filter((page) => this.#holders[page]! > 1).length;
    this.#checkFree(shared + Math.max(0, pages - table.length));
    const copies: PageCopy[] = [];
    for (let i = first; i < pages; i++) {
      const page = table[i];
      if (page !== undefined && this.#holders[page] === 1) continue;
      const own = this.#take();
      table[i] = own;
      if (page === undefined) continue;
      this.#holders[page]!--;
      const positions = Math.min(this.#pagePositions, begin - i * this.#pagePositions);
      if (positions > 0) copies.push({ from: page, to: own, positions });
    }
    return copies;
  }

  /** Makes sequence `to` hold the pages of the first `upto` positions of sequence `from`. */
  share(from: number, to: number, upto: number): void {
    if (from === to) {
      this.trim(to, upto);
      return;
    }
    this.trim(to, 0);
    const pages = this.#tables[from]!.slice(0, Math.ceil(upto / this.#pagePositions));
    for (const page of pages) this.#holders[page]!++;
    this.#tables[to] = pages;
  }

  /** Releases the pages of a sequence after position `upto`. */
  trim(seq: number, upto: number): void {
    for (const page of this.#tables[seq]!.splice(Math.ceil(upto / this.#pagePositions)))
      this.#holders[page]!--;
  }

  #take(): number {
    const page = this.#holders.indexOf(0);
    this.#holders[page] = 1;
    return page;
  }

  #checkFree(wanted: number): void {
    const free = this.#holders.filter((holders) => holders === 0).length;
    if (wanted <= free) return;
    throw new UserError(
      `All sequences together need ${wanted * this.#pagePositions} more positions, but ${free * this.#pagePositions} are free.`,
      'End a conversation, or reserve more positions.',
      { kind: 'context' },
    );
  }
}
