import type { LoadProgress } from '../core/load-progress.ts';

/** What a load is doing, for a progress line and for the footer of a chat. */
export const LOADING_STAGES: Readonly<Record<LoadProgress['stage'], string>> = {
  header: 'reading the header',
  backend: 'starting the backend',
  weights: 'loading weights',
  kernels: 'compiling kernels',
};
