/** Tokens as text: by themselves, and in a sequence, where several may make one character. */
import type { Tokenizer } from '../../core/tokenizer/tokenizer.ts';
import { terminalText } from '../terminal/terminal-text.ts';
import type { Theme } from '../terminal/theme.ts';

type Pieces = Pick<Tokenizer, 'tokenBytes'>;

/** The token by itself. One that holds a part of a character shows its bytes: `<E688>`. */
export function tokenName(tokenizer: Pieces, id: number): string {
  const bytes = tokenizer.tokenBytes(id, { special: true });
  try {
    return terminalText(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return `<${Buffer.from(bytes).toString('hex').toUpperCase()}>`;
  }
}

/** The text of each token of a sequence. A character that several make is the text of the last; the others have none. */
export function tokenTexts(tokenizer: Pieces, ids: readonly number[]): string[] {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const texts = ids.map((id) =>
    decoder.decode(tokenizer.tokenBytes(id, { special: true }), { stream: true }),
  );
  const rest = decoder.decode(); // a character that never ended
  if (rest !== '') texts[texts.length - 1] += rest;
  return texts.map(terminalText);
}

/** A token on one line, with visible spaces. */
export function visible(text: string, { look }: Pick<Theme, 'look'>): string {
  return text
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll(' ', look.ascii ? '_' : '␣');
}
