/** Speed and remaining time of work, estimated from samples of (time, units done). */

interface Sample {
  readonly at: number; // ms
  readonly done: number; // units
}

/** A sample sooner than this after the last one replaces it. */
const SAMPLE_MS = 100;
/** Window of the speed. A pause as long is a stall. */
const SPEED_MS = 5000;
/** Window of the remaining time: longer, so that the shown time does not jump with every burst. */
const STEADY_MS = 10_000;
/** Least time before a speed, or a remaining time, is estimated. */
const LEAST_SPEED_MS = 300;
const LEAST_LEFT_MS = 2000;
/** The shown forecast counts down until a new one differs from it by more than the larger of these. */
const SAME_MS = 2000;
const SAME_SHARE = 0.15;

/** Work whose units arrive in a stream: bytes, tokens. A pause over twice the longest so far lowers the speed. */
export class StreamPace {
  #samples: [Sample, ...Sample[]]; // oldest first, of STEADY_MS
  readonly #forecast = new Forecast();

  constructor(start: Sample) {
    this.#samples = [start];
  }

  record(sample: Sample): void {
    const last = this.#last;
    if (sample.done === last.done) return;
    if (this.#isStalled(sample.at)) this.#samples = [sample]; // samples before a stall do not predict the speed after it
    const before = this.#samples.at(-2);
    if (before && last.at - before.at < SAMPLE_MS) this.#samples.pop();
    this.#samples.push(sample);
    while (this.#samples.length > 2 && this.#samples[1]!.at < sample.at - STEADY_MS) this.#samples.shift();
  }

  /** Units per second; 0 in a stall. Undefined before there are enough samples. */
  speed(now: number): number | undefined {
    return this.#speed(now, SPEED_MS);
  }

  /** Seconds until `total` is done. Undefined in a stall and before there are enough samples. */
  left(total: number, now: number): number | undefined {
    const { at, done } = this.#last;
    const speed = this.#speed(now, STEADY_MS);
    if (!speed || at - this.#samples[0].at < LEAST_LEFT_MS) return this.#forecast.none();
    const begun = Math.min(now - at, this.#longestPause); // of the next unit
    return this.#forecast.next(now, (1000 * (total - done)) / speed - begun);
  }

  get #last(): Sample {
    return this.#samples.at(-1)!;
  }

  get #longestPause(): number {
    const pauses = this.#samples.slice(1).map(({ at }, i) => at - this.#samples[i]!.at);
    return Math.max(SAMPLE_MS, ...pauses);
  }

  #isStalled(now: number): boolean {
    return this.#samples.length > 1 && now - this.#last.at > Math.max(SPEED_MS, 3 * this.#longestPause);
  }

  #speed(now: number, window: number): number | undefined {
    const { at, done } = this.#last;
    const pause = this.#longestPause;
    if (this.#isStalled(now)) return 0;
    const older = this.#samples.slice(0, -1);
    const first = older.find((sample) => sample.at >= at - window) ?? older.at(-1);
    if (!first) return undefined;
    const ms = Math.max(at, now - 2 * pause) - first.at;
    return ms < LEAST_SPEED_MS ? undefined : (1000 * (done - first.done)) / ms;
  }
}

/** Work in pieces of very different length: no speed, and a remaining time from their mean. */
export class PiecePace {
  readonly #start: Sample;
  readonly #forecast = new Forecast();
  #last: Sample;
  #longest = 0; // piece, ms

  constructor(start: Sample) {
    this.#start = start;
    this.#last = start;
  }

  record(sample: Sample): void {
    if (sample.done === this.#last.done) return;
    this.#longest = Math.max(this.#longest, sample.at - this.#last.at);
    this.#last = sample;
  }

  speed(): undefined {
    return undefined;
  }

  /** Seconds until `total` is done. Undefined before two pieces are done, and while one takes unusually long. */
  left(total: number, now: number): number | undefined {
    const { at, done } = this.#last;
    const pieces = done - this.#start.done;
    if (pieces < 2 || at - this.#start.at < LEAST_LEFT_MS) return this.#forecast.none();
    if (now - at > Math.max(SAME_MS, 2 * this.#longest)) return this.#forecast.none();
    const mean = (at - this.#start.at) / pieces; // ms
    const begun = Math.min(now - at, mean); // of the current piece
    return this.#forecast.next(now, (total - done) * mean - begun);
  }
}

/** A steady forecast of when work ends. */
class Forecast {
  #endsAt: number | undefined; // ms

  /** Seconds to show. @param left the new estimate, ms */
  next(now: number, left: number): number | undefined {
    if (left <= 0) return this.none();
    const shown = this.#endsAt === undefined ? Number.POSITIVE_INFINITY : this.#endsAt - now;
    if (Math.abs(left - shown) > Math.max(SAME_MS, SAME_SHARE * left)) this.#endsAt = now + left;
    return Math.max(1, (this.#endsAt! - now) / 1000);
  }

  none(): undefined {
    this.#endsAt = undefined;
  }
}
