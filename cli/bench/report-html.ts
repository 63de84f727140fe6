import type { Table } from '../../bench/formats.ts';
import { escapeXml, plotStyle, svgPicture } from '../terminal/plot/svg.ts';
import type { Reported } from './report.ts';
import { headOf, panelRows } from './report-svg.ts';

const PANEL_WIDTH = 440; // pixels; a telephone shows it at nearly full size

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

/** One file that needs no other: pictures, the table, and the rows as JSON for who wants to go on with them. */
export function htmlReport(reported: Reported): string {
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
<script type="application/json" id="rows">${inScript({ machine, date, rows })}</script>
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
  const body = Array.from({ length: count }, (_, i) =>
    row(
      'td',
      columns.map(({ cells }) => cells[i]!),
    ),
  );
  const above = common.length > 0 ? `<p>${escapeXml(common.join(', '))}</p>\n` : '';
  const head = row(
    'th',
    columns.map(({ title }) => title),
  );
  return `${above}<div class="scroll"><table>\n${[head, ...body].join('\n')}\n</table></div>`;
}

/** Nothing in it ends the script or begins a comment. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
