/** A thread that does jobs (job.ts), as messages ask for them. */
import { parentPort, workerData } from 'node:worker_threads';
import { UserError } from '../../errors.ts';
import { type Job, Jobs } from './job.ts';

const jobs = new Jobs(workerData.path);

parentPort!.on('message', (job: Job) => {
  try {
    jobs.run(job);
    parentPort!.postMessage({});
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    parentPort!.postMessage({ message, hint: error instanceof UserError ? error.hint : undefined });
  }
});
