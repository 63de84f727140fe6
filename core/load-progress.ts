/** How far the loading of a model is, for who waits for it. */
import type { Backend } from '../backends/backend.ts';

/**
 * What loading is at: it reads what the file says of itself, starts the backend, has it read the weights, and then has it
 * compile what remains.
 */
export interface LoadProgress {
  readonly stage: 'header' | 'backend' | 'weights' | 'kernels';
  readonly weightBytes?: number; // that the model computes with; from 'weights' on
  readonly readBytes?: number; // of these; absent where the backend does not tell
}

const TELL_MS = 100;

/** Runs `compile`, in which `backend` reads so many bytes of weights, and tells meanwhile how far it is. */
export async function whileTelling<T>(
  { backend, weightBytes }: { backend: Pick<Backend, 'readBytes'>; weightBytes: number },
  onProgress: (progress: LoadProgress) => void,
  compile: () => Promise<T>,
): Promise<T> {
  const before = backend.readBytes?.() ?? 0;
  const tell = () => {
    const all = backend.readBytes?.();
    const readBytes = all === undefined ? undefined : Math.min(all - before, weightBytes);
    onProgress({ stage: readBytes === weightBytes ? 'kernels' : 'weights', weightBytes, readBytes });
  };
  tell();
  const timer = setInterval(tell, TELL_MS).unref();
  try {
    return await compile();
  } finally {
    clearInterval(timer);
  }
}
