import { useSyncExternalStore } from 'react';
import type { Store } from '../store.ts';

/** The state of `store`. The component renders again when it changes. */
export function useStore<State>({ subscribe, get }: Store<State>): State {
  return useSyncExternalStore(subscribe, get, get);
}
