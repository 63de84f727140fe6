import { hardwareInWords, versionInWords } from '../../bench/machine.ts';
import { type Panel, panelWidth, svgPage } from '../terminal/plot/svg.ts';
import { lanePanel, ratioPanel } from '../terminal/plot/svg-lanes.ts';
import { linePanel } from '../terminal/plot/svg-line.ts';
import { rooflinePanel } from '../terminal/plot/svg-roofline.ts';
import { commonName } from './names.ts';
import type { Reported } from './report.ts';
import { kernelScenes, speedScenes } from './scenes.ts';
import type { BenchState } from './state.ts';

const WIDTH = 960; // pixels

/** What a report is of, where and when. */
export function headOf({ state, machine, date }: Reported): { title: string; notes: readonly string[] } {
  const what = state.targets.length > 0 ? commonName(state.targets) : 'kernels';
  return {
    title: `percept bench: ${what}`,
    notes: [hardwareInWords(machine), `${date}, ${versionInWords(machine)}, Node ${machine.node}`],
  };
}

type Painter = (width: number) => Panel;

/** Panels in the rows in which they stand side by side. @param widthOf pixels of each of so many in a row */
export function panelRows(state: BenchState, widthOf: (count: number) => number): Panel[][] {
  const painters = state.targets.length > 0 ? speedPainters(state) : kernelPainters(state);
  return painters
    .filter((row) => row.length > 0)
    .map((row) => row.map((painter) => painter(widthOf(row.length))));
}

function kernelPainters(state: BenchState): Painter[][] {
  return kernelScenes(state, (index) => `${index + 1}`).map((scene) => [
    (width) => rooflinePanel(scene, width),
  ]);
}

function speedPainters(state: BenchState): Painter[][] {
  const { phases, ratios, roofline } = speedScenes(state);
  const lanes = phases.map(
    ({ lanes }): Painter =>
      (width) =>
        lanePanel(lanes, width),
  );
  const curves = phases
    .filter(({ curves }) => curves.series.length > 0)
    .map(
      ({ curves }): Painter =>
        (width) =>
          linePanel(curves, width),
    );
  const roof: Painter[] = roofline.dots.length > 0 ? [(width) => rooflinePanel(roofline, width)] : [];
  const beside: Painter[] = ratios.ratios.length > 0 ? [(width) => ratioPanel(ratios, width)] : [];
  return [lanes, curves, [...roof, ...beside]];
}

export function svgReport(reported: Reported): string {
  const rows = panelRows(reported.state, (count) => panelWidth(WIDTH, count));
  return svgPage({ ...headOf(reported), width: WIDTH }, rows);
}
