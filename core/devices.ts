/** The backends of this machine: which exist, which one is chosen, and why the others are not. */
import {
  type BackendName,
  type BackendReport,
  type Candidate,
  candidates,
  reportBackends,
} from '../backends/select.ts';
import { type BackendChoice, BackendChoices, devicesOf, eligible, explain } from './backend-choice.ts';
import { directories } from './directories.ts';

export interface ListedBackend extends BackendReport {
  readonly chosen: boolean; // whether `wanted` selects it
  readonly reason: string; // why it is chosen, or why not
}

export interface ListOptions {
  readonly threads?: number;
  readonly cacheDirectory?: string; // default: percept's own
}

/** Starts each backend once and measures it; `wanted` as for loadModel. */
export async function listBackends(wanted = 'auto', options: ListOptions = {}): Promise<ListedBackend[]> {
  const { threads, cacheDirectory = directories().cache } = options;
  const reports = await reportBackends({ threads, cacheDirectory });
  const choice = await currentChoice({ threads, cacheDirectory });
  return reports.map((report) => {
    if (!report.present) return { ...report, chosen: false, reason: report.missing! };
    if (wanted !== 'auto') return { ...report, ...asked(report.name, wanted) };
    return { ...report, chosen: report.name === choice.chosen, reason: choice.reasons.get(report.name)! };
  });
}

/** The backend that `auto` uses without a model: the measured one, else cpu. */
export async function chosenBackend(options: ListOptions = {}): Promise<BackendName> {
  const { threads, cacheDirectory = directories().cache } = options;
  return (await currentChoice({ threads, cacheDirectory })).chosen;
}

interface CurrentChoice {
  readonly chosen: BackendName;
  readonly reasons: ReadonlyMap<BackendName, string>;
}

async function currentChoice(options: Required<Pick<ListOptions, 'cacheDirectory'>> & ListOptions) {
  const { threads, cacheDirectory } = options;
  const all = await candidates({ cacheDirectory });
  const several = eligible(all).length > 1;
  const choices = several
    ? new BackendChoices(cacheDirectory).forMachine({ threads, devices: devicesOf(all) })
    : [];
  const chosen = choices[0]?.chosen ?? 'cpu'; // the choice for the smallest models, if there are several
  const reasons = new Map(all.map((each) => [each.name, reasonFor(each, { chosen, choices, several })]));
  return { chosen, reasons } satisfies CurrentChoice;
}

function reasonFor(
  { name, out }: Candidate,
  { chosen, choices, several }: { chosen: BackendName; choices: readonly BackendChoice[]; several: boolean },
): string {
  if (out !== undefined) return out;
  if (!several) return 'the fastest here';
  if (choices.length === 0) return 'auto has measured nothing yet: the first answer measures which is faster';
  const figures = choices.map((choice) => `${explain(choice)} with ${choice.model}`).join('; ');
  return name === chosen ? `the fastest: ${figures}` : `${chosen} is faster: ${figures}`;
}

function asked(name: BackendName, wanted: string): Pick<ListedBackend, 'chosen' | 'reason'> {
  return name === wanted
    ? { chosen: true, reason: 'asked for' }
    : { chosen: false, reason: `${wanted} was asked for` };
}
