/** The last line of a view: its keys, the one that leaves first. Pure. */
import { columnsOf } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';

/** As many keys as fit into `width` columns; none is cut, except the first. */
export function keyBar(keys: readonly string[], width: number, theme: Theme): string {
  const between = ` ${theme.glyphs.dot} `;
  let shown = keys.length;
  while (shown > 1 && columnsOf(keys.slice(0, shown).join(between)) > width) shown--;
  return theme.dim(truncate(keys.slice(0, shown).join(between), width, theme.glyphs.ellipsis));
}

/** Names of the arrow keys: [left and right, up and down]. */
export function arrowKeys({ look }: Theme): readonly [across: string, along: string] {
  return look.ascii ? ['Left Right', 'Up Down'] : ['←→', '↑↓'];
}
