/** Tracks the SGR and OSC 8 state, so that a row can end it and the next row can restore it. */
interface Style {
  readonly open: string;
  readonly close: number; // the code that ends it
}

export class Pen {
  #styles: Style[] = [];
  #link = ''; // the whole sequence; empty outside links

  /** Updates the state with a sequence that `ESCAPE` matches. */
  follow(sequence: string): void {
    if (sequence.startsWith('\x1b]')) {
      this.#link = sequence === LINK_END ? '' : sequence;
      return;
    }
    const code = Number.parseInt(sequence.slice(2), 10) || 0;
    const close = closeOf(code);
    if (code === 0) this.#styles = [];
    else if (close === undefined) this.#styles = this.#styles.filter((style) => style.close !== code);
    else {
      // Bold and dim share their end code and combine; a colour replaces the one before.
      const stays = (style: Style) => (close === BOLD_END ? style.open !== sequence : style.close !== close);
      this.#styles = [...this.#styles.filter(stays), { open: sequence, close }];
    }
  }

  closing(): string {
    const styles = this.#styles.toReversed().map(({ close }) => `\x1b[${close}m`);
    return (this.#link && LINK_END) + styles.join('');
  }

  opening(): string {
    return this.#styles.map(({ open }) => open).join('') + this.#link;
  }
}

export const LINK_END = '\x1b]8;;\x07';
const BOLD_END = 22;

/** The code that turns off what `code` turns on; undefined if it turns on nothing. */
function closeOf(code: number): number | undefined {
  if (code === 1 || code === 2) return BOLD_END;
  if (code === 3 || code === 4 || (code >= 7 && code <= 9)) return code + 20;
  if ((code >= 30 && code <= 38) || (code >= 90 && code <= 97)) return 39;
  return (code >= 40 && code <= 48) || (code >= 100 && code <= 107) ? 49 : undefined;
}
