/** A transfer on stderr: a bar where a person watches, else a line now and then. */
import type { PullProgress } from '../core/models/pull.ts';
import type { Output } from './output.ts';
import { formatBytes, formatDuration } from './sizes.ts';

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR_CELLS = 24;

export class TransferDisplay {
  readonly #output: Output;
  readonly #name: string;
  readonly #now: () => number; // ms
  #nextAt = 0;
  #phase = '';
  #phaseStart = { at: 0, bytes: 0 };
  #drawn = false;

  constructor(output: Output, name: string, now = () => performance.now()) {
    this.#output = output;
    this.#name = name;
    this.#now = now;
  }

  update(progress: PullProgress): void {
    const now = this.#now();
    const phase = `${progress.phase} ${progress.source}`;
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#phaseStart = { at: now, bytes: progress.receivedBytes };
      this.#nextAt = 0;
    }
    if (now < this.#nextAt) return;
    this.#nextAt = now + (this.#output.progressBars ? REDRAW_MS : LINE_MS);
    this.#show(progress, (now - this.#phaseStart.at) / 1000);
  }

  /** A sentence above the bar. */
  message(text: string): void {
    this.end();
    this.#output.note(text);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#drawn) this.#output.status('');
    this.#drawn = false;
  }

  #show(progress: PullProgress, seconds: number): void {
    const line = this.#line(progress, seconds);
    this.#drawn = this.#output.progressBars;
    if (this.#drawn) this.#output.status(line);
    else this.#output.note(line);
  }

  #line({ phase, receivedBytes, totalBytes }: PullProgress, seconds: number): string {
    if (phase === 'waiting' || phase === 'connecting') return `${this.#name}: ${phase}`;
    const speed = seconds > 0 ? (receivedBytes - this.#phaseStart.bytes) / seconds : 0;
    const parts = [`${this.#name}: ${phase}`];
    if (this.#output.progressBars && totalBytes) parts.push(bar(receivedBytes / totalBytes));
    parts.push(
      totalBytes ? `${formatBytes(receivedBytes)} of ${formatBytes(totalBytes)}` : formatBytes(receivedBytes),
    );
    if (speed > 0) parts.push(`${formatBytes(speed)}/s`);
    if (speed > 0 && totalBytes) parts.push(`${formatDuration((totalBytes - receivedBytes) / speed)} left`);
    return parts.join('  ');
  }
}

/** How much of a thing is done, 0 to 1. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, share) * BAR_CELLS);
  return `[${'='.repeat(full)}${' '.repeat(BAR_CELLS - full)}]`;
}
