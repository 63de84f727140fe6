/** Measures text in terminal columns and splits it into characters. */
import stringWidth from 'string-width';
import { isPlain, plainWidth, unitWidth } from './plain-width.ts';

/** The escape sequences of themes and links: SGR and OSC 8. */
export const ESCAPE = /\x1b\[[\d;]*m|\x1b\]8;[^\x07]*\x07/g;

const MOST_CLUSTERS = 4096; // kept in the cache; hostile text could have many

const widths = new Map<string, number>();
let segmenter: Intl.Segmenter | undefined; // created on demand: the first one takes 15 ms

export interface Cluster {
  readonly text: string;
  readonly width: number;
}

/** Splits text without escapes into characters on screen: a letter with its marks, an emoji with its joiners. */
export function* clusters(text: string): Generator<Cluster> {
  if (isPlain(text)) {
    for (const unit of text) yield { text: unit, width: unitWidth(unit) };
    return;
  }
  segmenter ??= new Intl.Segmenter();
  for (const { segment } of segmenter.segment(text)) yield { text: segment, width: clusterWidth(segment) };
}

function clusterWidth(cluster: string): number {
  const known = widths.get(cluster);
  if (known !== undefined) return known;
  const width = plainWidth(cluster) ?? stringWidth(cluster);
  if (widths.size >= MOST_CLUSTERS) widths.clear();
  widths.set(cluster, width);
  return width;
}

/** Columns of one line. Escapes have none. */
export function columnsOf(line: string): number {
  const text = line.includes('\x1b') ? line.replace(ESCAPE, '') : line;
  return plainWidth(text) ?? stringWidth(text);
}

/** Pads `line` with spaces to `columns`. */
export function padded(line: string, columns: number): string {
  return line + ' '.repeat(Math.max(0, columns - columnsOf(line)));
}
