import { type Cluster, clusters, columnsOf, padded } from '../text/width.ts';

/** A label of exactly so many columns; a long one loses its middle, for names differ at their ends. */
export function labelOf(text: string, columns: number, ellipsis: string): string {
  if (columnsOf(text) <= columns) return padded(text, columns);
  const parts = [...clusters(text)];
  const room = Math.max(0, columns - columnsOf(ellipsis));
  const end = fitting(parts.toReversed(), Math.floor(room / 2)).toReversed();
  const start = fitting(parts, room - widthOf(end));
  const written = [...start, { text: ellipsis, width: 0 }, ...end].map(({ text }) => text).join('');
  return padded(written, columns);
}

/** As many of the first as fill at most so many columns. */
function fitting(parts: readonly Cluster[], columns: number): readonly Cluster[] {
  let room = columns;
  const over = parts.findIndex(({ width }) => {
    room -= width;
    return room < 0;
  });
  return over < 0 ? parts : parts.slice(0, over);
}

function widthOf(parts: readonly Cluster[]): number {
  return parts.reduce((sum, { width }) => sum + width, 0);
}
