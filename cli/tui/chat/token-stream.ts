import type { ScoredToken } from '../../chat/transcript.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';

/** The source of an answer with every token in the colour of its probability. Whole lines are final. */
export class TokenStream {
  readonly #theme: Theme;
  #columns: number;
  #line = ''; // the last, incomplete line, painted

  constructor({ theme, columns }: { theme: Theme; columns: number }) {
    this.#theme = theme;
    this.#columns = columns;
  }

  /** @param token the token of `text`; without one the text has no colour */
  push(text: string, token?: ScoredToken): string[] {
    const painted = terminalText(text)
      .split('\n')
      .map((part) => (token && part !== '' ? this.#theme.probability(Math.exp(token.logprob), part) : part));
    const whole = (this.#line + painted.join('\n')).split('\n');
    this.#line = whole.pop()!;
    return whole.flatMap((line) => wrapLines(line, this.#columns));
  }

  live(): string[] {
    return this.#line === '' ? [] : wrapLines(this.#line, this.#columns);
  }

  end(): string[] {
    const lines = this.live();
    this.#line = '';
    return lines;
  }

  resize(columns: number): void {
    this.#columns = columns;
  }
}
