/** --report: the figures as an SVG picture, or as an HTML page with pictures, table and rows. */
import { existsSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { replaceFile } from '../../backends/whole-file.ts';
import type { Table } from '../../bench/formats.ts';
import { hardwareInWords, type Machine, versionInWords } from '../../bench/machine.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import { lanePanel, linePanel, ratioPanel, rooflinePanel } from '../terminal/plot/svg.ts';
import {
  escapeXml,
  type Panel,
  panelWidth,
  plotStyle,
  svgPage,
  svgPicture,
} from '../terminal/plot/svg-picture.ts';
import { commonName, kernelScenes, speedScenes } from './scenes.ts';
import type { BenchState } from './state.ts';

interface Reported {
  readonly state: BenchState;
  readonly machine: Machine;
  readonly date: string; // 2026-11-25
  readonly table: Table;
  readonly legend: readonly string[];
  readonly rows: readonly object[];
}

const WRITERS: Readonly<Record<string, (reported: Reported) => string>> = {
  '.svg': svgReport,
  '.html': htmlReport,
};

/** To be called before anything is measured. Throws UserError for a file that could not be written. */
export function checkFiles({ report, save }: Pick<Options, 'report' | 'save'>): void {
  if (report !== undefined) checkReport(report);
  if (save !== undefined) checkFolder('--save', save);
}

function checkReport(file: string): void {
  if (!(extname(file).toLowerCase() in WRITERS)) {
    throw new UserError(
      `Expected --report to name a file that ends in .svg or .html, got "${file}".`,
      'A picture for a README: --report bench.svg. A page with table and rows: --report bench.html.',
      { kind: 'usage' },
    );
  }
  checkFolder('--report', file);
}

function checkFolder(option: string, file: string): void {
  const folder = dirname(file);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new UserError(`${option} ${file}: there is no folder ${folder}.`, 'Make the folder first.');
  }
}

/** Writes the whole file or none. Throws UserError where it cannot be written. */
export function writeReport(file: string, reported: Omit<Reported, 'date'>): void {
  const date = new Date().toISOString().slice(0, 10);
  const text = WRITERS[extname(file).toLowerCase()]!({ ...reported, date });
  try {
    replaceFile(file, text);
  } catch (cause) {
    throw new UserError(
      `The report ${file} could not be written: ${(cause as Error).message}`,
      'Give another file to --report.',
      { cause },
    );
  }
}

// ----- contents of both

/** Subject, machine and date. */
function headOf({ state, machine, date }: Reported): { title: string; notes: readonly string[] } {
  const subject = state.targets.length > 0 ? commonName(state.targets) : 'kernels';
  return {
    title: `percept bench: ${subject}`,
    notes: [hardwareInWords(machine), `${date}, ${versionInWords(machine)}, Node ${machine.node}`],
  };
}

type PanelOf = (width: number) => Panel;

/** Rows of panels side by side. @param widthOf pixels of each panel in a row of `count` */
function panelRows(state: BenchState, widthOf: (count: number) => number): Panel[][] {
  const rows = state.targets.length > 0 ? speedPanels(state) : kernelPanels(state);
  return rows
    .filter((row) => row.length > 0)
    .map((row) => row.map((panelOf) => panelOf(widthOf(row.length))));
}

function kernelPanels(state: BenchState): PanelOf[][] {
  const scenes = kernelScenes(state, (index) => `${index + 1}`);
  return scenes.map((scene) => [(width) => rooflinePanel(scene, width)]);
}

function speedPanels(state: BenchState): PanelOf[][] {
  const { phases, ratios, roofline } = speedScenes(state);
  const drawn = phases.flatMap(({ curves }) => (curves && curves.series.length > 0 ? curves : []));
  const last: PanelOf[] = [];
  if (roofline.dots.length > 0) last.push((width) => rooflinePanel(roofline, width));
  if (ratios.ratios.length > 0) last.push((width) => ratioPanel(ratios, width));
  return [
    phases.map(
      ({ lanes }): PanelOf =>
        (width) =>
          lanePanel(lanes, width),
    ),
    drawn.map(
      (curves): PanelOf =>
        (width) =>
          linePanel(curves, width),
    ),
    last,
  ];
}

// ----- SVG

const PAGE_WIDTH = 960; // pixels

function svgReport(reported: Reported): string {
  const rows = panelRows(reported.state, (count) => panelWidth(PAGE_WIDTH, count));
  return svgPage({ ...headOf(reported), width: PAGE_WIDTH }, rows);
}

// ----- HTML

const PANEL_WIDTH = 440; // pixels; a phone shows it at nearly full size

const STYLE = `:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 960px; font: 15px/1.5 ui-sans-serif, system-ui, sans-serif;
  background: #ffffff; color: #1f2328; }
h1 { font-size: 20px; margin: 8px 0; overflow-wrap: anywhere; }
p { margin: 0; color: #59636e; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 460px)); gap: 24px;
  margin: 24px 0; }
.panels svg { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #d1d9e0; }
.number { text-align: right; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #f0f6fc; }
  p { color: #9198a1; }
  th, td { border-color: #3d444d; }
}`;

/** One file without links to others: pictures, the table, and the rows as JSON for further use. */
function htmlReport(reported: Reported): string {
  const { title, notes } = headOf(reported);
  const pictures = panelRows(reported.state, () => PANEL_WIDTH)
    .flat()
    .map((panel) => svgPicture(panel, { style: false }));
  const { machine, date, rows } = reported;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>
${STYLE}
${plotStyle()}
</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
${notes.map((note) => `<p>${escapeXml(note)}</p>`).join('\n')}
<div class="panels">
${pictures.join('\n')}
</div>
${tableInHtml(reported.table)}
${reported.legend.map((line) => `<p>${escapeXml(line)}</p>`).join('\n')}
<script type="application/json" id="rows">${jsonInScript({ machine, date, rows })}</script>
</body>
</html>
`;
}

function tableInHtml({ common, columns }: Table): string {
  const row = (tag: 'th' | 'td', cells: readonly string[]) => {
    const written = cells.map((cell, i) => {
      const kind = columns[i]!.right ? ' class="number"' : '';
      return `<${tag}${kind}>${escapeXml(cell)}</${tag}>`;
    });
    return `<tr>${written.join('')}</tr>`;
  };
  const count = columns[0]?.cells.length ?? 0;
  const titles = columns.map(({ title }) => title);
  const body = Array.from({ length: count }, (_, i) => {
    const cells = columns.map(({ cells }) => cells[i]!);
    return row('td', cells);
  });
  const above = common.length > 0 ? `<p>${escapeXml(common.join(', '))}</p>\n` : '';
  return `${above}<div class="scroll"><table>\n${[row('th', titles), ...body].join('\n')}\n</table></div>`;
}

/** JSON without a character that could end the script or begin a comment. */
function jsonInScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
