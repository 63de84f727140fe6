/** How fast work goes and how long it still takes, from how much of it was done when. */

interface Sample {
  readonly at: number; // ms
  readonly done: number; // units
}

/** Newer samples than this take the place of the last one. */
const SAMPLE_MS = 100;
/** The speed is that of so long; nothing for as long is a stall. */
const SPEED_MS = 5000;
/** The time left goes by the speed of so long: what is shown must not jump with every burst. */
const STEADY_MS = 10_000;
/** Before that there is nothing to go by. */
const LEAST_SPEED_MS = 300;
const LEAST_LEFT_MS = 2000;
/** A forecast is kept, and counted down, while a new one differs by less than the larger of these. */
const SAME_MS = 2000;
const SAME_SHARE = 0.15;

/** Work whose units come in a stream: bytes, tokens. A pause of more than twice the longest so far is slow, not usual. */
export class StreamPace {
  #samples: [Sample, ...Sample[]]; // oldest first, of STEADY_MS
  readonly #forecast = new Forecast();

  constructor(start: Sample) {
    this.#samples = [start];
  }

  record(sample: Sample): void {
    const last = this.#last;
    if (sample.done === last.done) return;
    if (this.#isStalled(sample.at)) this.#samples = [sample]; // what was before says nothing of what comes
    const before = this.#samples.at(-2);
    if (before && last.at - before.at < SAMPLE_MS) this.#samples.pop();
    this.#samples.push(sample);
    while (this.#samples.length > 2 && this.#samples[1]!.at < sample.at - STEADY_MS) this.#samples.shift();
  }

  /** Units a second; 0 in a stall. Undefined before there is anything to go by. */
  speed(now: number): number | undefined {
    return this.#speed(now, SPEED_MS);
  }

  /** Seconds until all of `total` is done. Undefined in a stall and before there is anything to go by. */
  left(total: number, now: number): number | undefined {
    const { at, done } = this.#last;
    const speed = this.#speed(now, STEADY_MS);
    if (!speed || at - this.#samples[0].at < LEAST_LEFT_MS) return this.#forecast.none();
    const begun = Math.min(now - at, this.#longestPause); // of what comes next
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

/** Work in whole pieces, some much longer than others: it has no speed, and the time left goes by their mean. */
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

  /** Seconds until all of `total` is done. Undefined before the second piece is, and where one takes unusually long. */
  left(total: number, now: number): number | undefined {
    const { at, done } = this.#last;
    const pieces = done - this.#start.done;
    if (pieces < 2 || at - this.#start.at < LEAST_LEFT_MS) return this.#forecast.none();
    if (now - at > Math.max(SAME_MS, 2 * this.#longest)) return this.#forecast.none();
    const mean = (at - this.#start.at) / pieces; // ms
    const begun = Math.min(now - at, mean); // of the piece at hand
    return this.#forecast.next(now, (total - done) * mean - begun);
  }
}

/** When work ends, kept steady. */
class Forecast {
  #endsAt: number | undefined; // ms

  /** Seconds left as they are shown, given what is left in ms as it looks now. */
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
