/** Checks the backends of this machine against the reference: op by op, and with a model. */
import type { KvType } from '../../backends/backend.ts';
import { selectBackend } from '../../backends/select.ts';
import { directories } from '../../core/directories.ts';
import { configFromGguf, type LoadOptions, loadModel, readGguf } from '../../core/index.ts';
import type { CheckedCase } from '../conformance/cases.ts';
import {
  type Answer,
  answer,
  compare,
  isWrong as isWrongModel,
  MARGIN_BOUND,
  type ModelVerdict,
  promptIds,
  speedOf,
} from './model-check.ts';
import { checkOps, isWrong as isWrongOp, type OpVerdict } from './op-check.ts';

export interface VerifyOptions {
  readonly backends: readonly string[];
  readonly threads?: number;
  readonly kvType?: KvType | 'auto';
  readonly cases: readonly CheckedCase[]; // of ops
  readonly model?: { readonly path: string; readonly tokens: number }; // tokens of the answer to each prompt
  readonly signal?: AbortSignal;
  /** Called before each piece of work, `workOf` times in all; many pieces share a `kind`. */
  readonly onWork?: (label: string, kind: string) => void;
  readonly onNote?: LoadOptions['onNote'];
}

export interface BackendVerdict {
  readonly backend: string;
  readonly device: string | null;
  readonly ops: readonly OpVerdict[];
  readonly model: ModelVerdict | null;
  /** Faults in words; empty if there are none. */
  readonly wrong: readonly string[];
}

export interface Verification {
  readonly margin_bound: number;
  readonly reference: Pick<ModelVerdict, 'prefill_tok_s' | 'decode_tok_s'> | null;
  readonly backends: readonly BackendVerdict[];
}

const PROMPTS = 3;
const CONTEXT = 256; // tokens: prompts and answers are short

/** Maximum number of calls of `onWork`. */
export function workOf({
  backends,
  model,
  cases,
}: Pick<VerifyOptions, 'backends' | 'model' | 'cases'>): number {
  const steps = model ? PROMPTS * model.tokens : 0;
  return backends.length * (cases.length + steps) + steps;
}

/** Throws UserError for a backend that cannot run here, and for a model that the reference does not support. */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const ops = new Map<string, Pick<BackendVerdict, 'device' | 'ops'>>();
  for (const name of options.backends) ops.set(name, await opsOf(name, options));
  const answers = options.model ? await referenceAnswers(options.model, options) : [];
  const backends: BackendVerdict[] = [];
  for (const [backend, { device, ops: verdicts }] of ops) {
    const model = options.model ? await modelOf(backend, options.model, answers, options) : undefined;
    const failure = typeof model === 'string' ? model : undefined;
    const verdict = typeof model === 'string' || model === undefined ? null : model;
    const wrong = [...verdicts.flatMap(opInWords), ...modelInWords(verdict), ...(failure ? [failure] : [])];
    backends.push({ backend, device, ops: verdicts, model: verdict, wrong });
  }
  return { margin_bound: MARGIN_BOUND, reference: answers.length > 0 ? speedOf(answers) : null, backends };
}

async function opsOf(
  name: string,
  { threads, cases, signal, onWork }: VerifyOptions,
): Promise<Pick<BackendVerdict, 'device' | 'ops'>> {
  const backend = await selectBackend(name, { threads, cacheDirectory: directories().cache });
  try {
    const onCase = (label: string, op: string) => onWork?.(`${name}: ${label}`, `${name}: ${op}`);
    const ops = await checkOps(backend, cases, { signal, onCase });
    return { device: backend.device?.name ?? null, ops };
  } finally {
    await backend.dispose();
  }
}

async function referenceAnswers(
  { path, tokens }: NonNullable<VerifyOptions['model']>,
  options: VerifyOptions,
): Promise<(Answer & Awaited<ReturnType<typeof answer>>)[]> {
  const model = await loadModel(path, await loadOptions(path, 'reference', options));
  try {
    const answers = [];
    const label = 'reference: the answers to compare with';
    const onStep = () => options.onWork?.(label, label);
    for (const prompt of promptIds(model, tokens))
      answers.push(await answer(model, prompt, tokens, { signal: options.signal, onStep }));
    return answers;
  } finally {
    await model.dispose();
  }
}

/** The verdict, or in words why there is none. */
async function modelOf(
  backend: string,
  { path }: NonNullable<VerifyOptions['model']>,
  answers: readonly Answer[],
  options: VerifyOptions,
): Promise<ModelVerdict | string> {
  try {
    const model = await loadModel(path, await loadOptions(path, backend, options));
    try {
      const label = `${backend}: the same answers`;
      const onStep = () => options.onWork?.(label, label);
      return await compare(model, answers, { signal: options.signal, onStep });
    } finally {
      await model.dispose();
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    return `the model does not run: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function loadOptions(path: string, backend: string, options: VerifyOptions): Promise<LoadOptions> {
  const { contextLength: trained } = configFromGguf(await readGguf(path));
  const { threads, kvType, onNote } = options;
  return { backend, threads, kvType, onNote, contextLength: Math.min(trained, CONTEXT) };
}

function opInWords(verdict: OpVerdict): string[] {
  if (!isWrongOp(verdict)) return [];
  const { op, worst, worst_case, failure } = verdict;
  if (failure !== undefined) return [`${op} fails: ${failure} (${worst_case})`];
  return [`${op} has ${worst!.toPrecision(2)} times the allowed error (${worst_case})`];
}

function modelInWords(verdict: ModelVerdict | null): string[] {
  if (!verdict || !isWrongModel(verdict)) return [];
  const { worst_margin, worst_logit_error } = verdict;
  if (!Number.isFinite(worst_logit_error)) return ['its logits contain NaN or infinity'];
  return [`it chooses another token although the margin of the reference is ${worst_margin.toFixed(2)}`];
}
