import { type Finding, findings } from '../../bench/doctor/findings.ts';
import { gatherFacts } from '../../bench/doctor/gather.ts';
import { describeMachine, hardwareInWords } from '../../bench/machine.ts';
import { isRemoteReference, pullCommand } from '../../core/models/reference.ts';
import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { modelFile } from '../model-file.ts';
import type { Output } from '../output.ts';
import { lookOf } from '../terminal/look.ts';
import { paragraph } from '../terminal/text/wrap.ts';
import { themeOf } from '../terminal/theme.ts';

const DEEP = 6; // columns in front of the words of a finding

/** Prints what slows this machine down and what to do about it. */
export async function doctor(call: Call): Promise<void> {
  const { options, output } = call;
  const modelPath = await pathIfHere(call);
  const found = findings(await gatherFacts({ threads: options.threads, modelPath }));
  const machine = await describeMachine();
  if (options.json) return output.json({ machine, findings: found });
  const about = paragraph(`${hardwareInWords(machine)}, percept ${machine.percept}`, 0);
  await output.print(`${output.style.heading('Machine')}\n${about}\n`);
  for (const finding of found) await printFinding(output, finding);
  const slow = found.filter(({ level }) => level !== 'ok').length;
  await output.print(
    `\n${slow === 0 ? 'Nothing slows this machine down.' : `Look at: ${slow} of ${found.length}.`}\n`,
  );
  if (modelPath === undefined)
    output.note(`The model is not on this machine, so it was not checked. ${remedy(options.model ?? '')}`);
}

/** Undefined if the model is not on this machine: a check-up downloads nothing. */
async function pathIfHere(call: Call): Promise<string | undefined> {
  try {
    return (await modelFile(call.options.model ?? '', { noPull: true }, call)).path;
  } catch (error) {
    if (error instanceof UserError && error.kind === 'model-not-found') return undefined;
    throw error;
  }
}

/** A file that is missing cannot be pulled. */
function remedy(model: string): string {
  if (!isRemoteReference(model)) return 'percept list shows the models that are.';
  return `To fetch it: ${pullCommand(model)}`;
}

/** Colours the level; the words of a finding may come from outside, and are printed plain. */
async function printFinding(output: Output, { level, what, why, todo }: Finding): Promise<void> {
  const theme = themeOf(lookOf(process.stdout, output.appearance));
  const mark = level.padEnd(4);
  const text = paragraph(`${mark}  ${what}`, 0, DEEP);
  await output.control(theme[level](mark));
  await output.print(text.slice(mark.length));
  for (const line of [why, todo])
    if (line) await output.print(output.style.faint(paragraph(line, DEEP, DEEP)));
}
