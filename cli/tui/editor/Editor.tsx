import { Box, type DOMElement, measureElement, Text } from 'ink';
import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react';
import type { Cell } from '../../terminal/live-region.ts';
import type { Theme } from '../../terminal/theme.ts';
import { useStore } from '../use-store.ts';
import { layoutMenu } from './completion.ts';
import { type Anchor, layoutEditor } from './layout.ts';
import type { EditorModel } from './model.ts';
import { layoutSearch } from './search.ts';

interface EditorProps {
  readonly model: EditorModel;
  readonly theme: Theme;
  readonly columns: number; // of the terminal
  readonly maxRows: number; // of the text; the menu adds up to 8 below it
  readonly placeholder?: string;
  /** Called with the caret's cell after every render, and with undefined when the editor is removed. */
  readonly onCaret?: (caret: Cell | undefined) => void;
}

/** Draws the editor and its menu, and reports where the caret belongs. The owner passes keys to `model`. */
export function Editor({ model, theme, columns, maxRows, placeholder, onCaret }: EditorProps) {
  const { state, menu, search } = useStore(model.view);
  const box = useRef<DOMElement>(null);
  const top = useRef<Anchor>(undefined);
  const page = layoutEditor(state, { columns, maxRows, theme, placeholder, top: top.current });
  const { lines, cursor } = search
    ? layoutSearch(search, model.history.entries, { columns, maxRows, theme })
    : page;
  useEffect(() => {
    model.columns = columns;
    top.current = page.top;
  });
  // Layout effects run before the live region writes the frame that they are for.
  useLayoutEffect(() => onCaret?.(positionIn(box, cursor)));
  useLayoutEffect(() => () => onCaret?.(undefined), [onCaret]);
  return (
    <Box ref={box} flexDirection="column" flexShrink={0}>
      <Box aria-role="textbox">
        <Text wrap="truncate">{lines.join('\n')}</Text>
      </Box>
      {menu && (
        <Box aria-role="listbox">
          <Text wrap="truncate">{layoutMenu(menu, { columns, theme }).join('\n')}</Text>
        </Box>
      )}
    </Box>
  );
}

/**
 * `cursor` relative to the live region. It is read when a frame is drawn, after layout. So it stays right when lines
 * above are added, even in frames for which the editor does not render.
 */
function positionIn(box: RefObject<DOMElement | null>, cursor: Cell): Cell {
  const origin = () => (box.current ? measureElement(box.current) : { x: 0, y: 0 });
  return {
    get x() {
      return origin().x + cursor.x;
    },
    get y() {
      return origin().y + cursor.y;
    },
  };
}
