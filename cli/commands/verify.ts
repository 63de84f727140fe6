import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { describeMachine } from '../../bench/machine.ts';
import { MARGIN_BOUND, type ModelVerdict } from '../../bench/verify/model-check.ts';
import type { OpVerdict } from '../../bench/verify/op-check.ts';
import {
  type BackendVerdict,
  type Verification,
  verify as verifyBackends,
  workOf,
} from '../../bench/verify/verify.ts';
import { listBackends } from '../../core/devices.ts';
import { UserError } from '../../errors.ts';
import { casesChosen } from '../bench/case-words.ts';
import type { Call } from '../command.ts';
import { loadOptionsOf, notesTo } from '../load.ts';
import { modelFile } from '../model-file.ts';
import type { Output } from '../output.ts';
import { CountedProgress } from '../progress/progress.ts';
import { paragraph } from '../terminal/text/wrap.ts';

const DEFAULT_TOKENS = 16; // an answer: the reference takes 0.2 s for each token of the default model

/** Compares the results of this machine's backends with those of the reference. */
export async function verify(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const cases = casesChosen(CHECKED_CASES, operands);
  const { threads, kvType } = loadOptionsOf(options);
  const note = notesTo(output);
  const backends = await backendsOf(call);
  const path = options.ops ? undefined : (await modelFile(options.model ?? '', options, call)).path;
  const model = path === undefined ? undefined : { path, tokens: options.maxTokens ?? DEFAULT_TOKENS };
  const progress = new CountedProgress(output, 'verifying', workOf({ backends, model, cases }));
  const onWork = (label: string) => progress.next(label);
  const onNote: typeof note = (each) => progress.aside(() => note(each));
  const found = await call.abortable((signal) =>
    progress.during(() =>
      verifyBackends({ backends, threads, kvType, model, cases, signal, onWork, onNote }),
    ),
  );
  if (options.json) await output.json({ machine: await describeMachine(), model: options.model, ...found });
  else await printVerification(output, found);
  const wrong = found.backends.filter((backend) => backend.wrong.length > 0);
  if (wrong.length > 0) throw wrongBackends(wrong.map(({ backend }) => backend));
}

/** The backends in the options, or all that work here. Notes why the others do not. */
async function backendsOf({ options, output }: Call): Promise<string[]> {
  const wanted = [options.backend ?? []].flat() as string[];
  if (wanted.length > 0 && !wanted.includes('auto')) return wanted.filter((name) => name !== 'reference');
  const all = await listBackends('auto', { threads: options.threads });
  const others = all.filter(({ name }) => name !== 'reference');
  for (const { name, present, reason } of others)
    if (!present) output.note(`${name} is not available: ${reason}`);
  return others.filter(({ present }) => present).map(({ name }) => name);
}

async function printVerification(output: Output, { backends, reference }: Verification): Promise<void> {
  const { heading } = output.style;
  if (reference) {
    await output.print(`${heading('Answers')}, compared with the reference\n`);
    const row = ({ backend, model }: BackendVerdict) => [backend, ...modelCells(model)];
    const speeds = [reference.prefill_tok_s, reference.decode_tok_s].map((speed) => speed.toFixed(1));
    await output.table([
      ['backend', 'same ids', 'margin', 'logits off by', 'read tok/s', 'write tok/s'],
      ...backends.map(row),
      ['reference', '', '', '', ...speeds],
    ]);
    await output.print('\n');
  }
  await output.print(`${heading('Ops')}, error divided by its tolerance: 1 is the limit\n`);
  await output.table(opTable(backends));
  await output.print('\n');
  for (const { backend, wrong } of backends) {
    if (wrong.length === 0) await output.print(`${backend} is right.\n`);
    for (const sentence of wrong) await output.print(paragraph(`${backend} is WRONG: ${sentence}`, 0));
  }
  for (const { backend, model } of backends) {
    const line = model?.first_difference && differenceInWords(backend, model.first_difference);
    if (line) await output.print(paragraph(line, 0));
  }
}

function modelCells(model: ModelVerdict | null): string[] {
  if (!model) return ['failed'];
  const { tokens, equal, worst_margin, worst_logit_error, prefill_tok_s, decode_tok_s } = model;
  return [
    `${equal} of ${tokens}`,
    equal === tokens ? '' : worst_margin.toFixed(2),
    worst_logit_error.toPrecision(2),
    ...[prefill_tok_s, decode_tok_s].map((speed) => speed.toFixed(1)),
  ];
}

function differenceInWords(
  backend: string,
  { prompt, token, expected, got, margin }: NonNullable<ModelVerdict['first_difference']>,
): string {
  const where = `token ${token} of answer ${prompt}`;
  const sure = margin > MARGIN_BOUND ? 'above' : 'below';
  return (
    `${backend} first differs at ${where}: ${got} instead of ${expected}, where the reference prefers its own by ` +
    `${margin.toFixed(2)}; that is ${sure} ${MARGIN_BOUND}, the largest margin that rounding can turn over.`
  );
}

/** One row for each op, one column for each backend. */
function opTable(backends: readonly BackendVerdict[]): string[][] {
  const ops = [...new Set(backends.flatMap(({ ops }) => ops.map(({ op }) => op)))];
  const cell = (verdict: OpVerdict | undefined) => {
    if (!verdict) return 'not run';
    if (verdict.cases === 0) return 'not supported';
    if (verdict.worst === null) return 'failed';
    return verdict.worst === 0 ? '0' : verdict.worst.toPrecision(2);
  };
  return [
    ['op', ...backends.map(({ backend }) => backend)],
    ...ops.map((op) => [op, ...backends.map(({ ops }) => cell(ops.find((verdict) => verdict.op === op)))]),
  ];
}

function wrongBackends(names: readonly string[]): UserError {
  return new UserError(
    `These backends compute wrong results: ${names.join(', ')}.`,
    'Use another backend (--backend cpu), update the driver, and please report this with the output of percept verify --json.',
  );
}
