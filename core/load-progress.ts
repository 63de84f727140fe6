/** Progress of loading a model, for display. */
import type { Backend } from '../backends/backend.ts';

/** Stages: the header is read, the backend starts, it reads the weights, and it compiles its kernels. */
export interface LoadProgress {
  readonly stage: 'header' | 'backend' | 'weights' | 'kernels';
  readonly weightBytes?: number; // all weights of the model; from 'weights' on
  readonly readBytes?: number; // read so far; missing if the backend does not report it
}

const TELL_MS = 100;

/** Runs `compile`, which makes `backend` read `weightBytes` of weights, and reports the progress meanwhile. */
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
