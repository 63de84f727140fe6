/** What plots show, as plain data. The terminal (line.ts, lanes.ts, roofline.ts) and SVG (svg.ts) paint the same scenes. */

export type Point = readonly [x: number, y: number];

/** What an axis reaches over at least; the ends are moved out to ticks. */
export interface AxisSpec {
  readonly unit: string; // written once, behind the last tick
  readonly log?: boolean;
  readonly from?: number; // default: the least value
  readonly to?: number; // default: the greatest
}

export interface Series {
  readonly name: string;
  /** A character at its end, by which it is known without colours. */
  readonly mark?: string;
  readonly points: readonly Point[]; // x ascending; not-a-number is a gap
  readonly color: number; // which of Theme.series, counted round
  readonly faint?: boolean; // what others are read against
}

export interface LineScene {
  readonly title: string;
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly series: readonly Series[]; // the last is on top
}

/** Bars on one scale that begins at zero. */
export interface LaneScene {
  readonly title: string;
  readonly unit: string;
  readonly lanes: readonly Lane[];
}

export interface Lane {
  readonly mark: string;
  readonly label: string;
  readonly value?: number; // absent before there is one
  readonly spread?: number; // standard deviation; absent for a value that still moves
  readonly text: string; // the value in words, or why there is none
  readonly color: number;
  readonly state: 'waiting' | 'running' | 'done';
}

/** Speeds under what the machine can give: y = min(peak, bandwidth * x), both axes logarithmic. */
export interface RooflineScene {
  readonly title: string;
  readonly roofs: readonly Roof[];
  readonly dots: readonly RooflineDot[];
}

export interface Roof {
  readonly name: string;
  readonly bandwidth: number; // GB/s
  readonly peak: number; // GMAC/s
  readonly color: number;
}

export interface RooflineDot {
  readonly mark: string;
  readonly label: string;
  readonly text: string; // 38 GB/s
  readonly share?: number; // of the roof; absent without one
  readonly intensity: number; // multiply-adds a byte
  readonly speed: number; // GMAC/s
  readonly color: number;
  readonly faint?: boolean; // a dot without a name
}

/** Ratios with their spread, around 1. */
export interface RatioScene {
  readonly title: string;
  readonly ratios: readonly RangedRatio[];
}

export interface RangedRatio {
  readonly mark: string;
  readonly label: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly color: number;
}
