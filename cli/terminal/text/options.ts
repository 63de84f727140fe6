import type { Theme } from '../theme.ts';

export interface RenderOptions {
  readonly columns: number;
  readonly theme: Theme;
  /** The terminal knows OSC 8. Without colours links are written out all the same. */
  readonly hyperlinks: boolean;
}
