import { clusters, ESCAPE } from './text/width.ts';

/** `line` with the character in column `x` in reverse video; a space if the line is shorter. */
export function withCaret(line: string, x: number): string {
  let column = 0;
  let drawn = '';
  let at = 0;
  for (const match of [...line.matchAll(ESCAPE), undefined]) {
    for (const { text, width } of clusters(line.slice(at, match?.index))) {
      if (column <= x && x < column + width)
        return `${drawn}${reversed(text)}${line.slice(at + text.length)}`;
      drawn += text;
      column += width;
      at += text.length;
    }
    drawn += match?.[0] ?? '';
    at += match?.[0].length ?? 0;
  }
  return drawn + ' '.repeat(x - column) + reversed(' ');
}

function reversed(text: string): string {
  return `\x1b[7m${text}\x1b[27m`;
}
