/** Errors of the system that no module has put into words: files, folders, limits. They are not bugs of the program. */
import { UserError } from '../errors.ts';

const ACCESS = 'Give this user access to it and to every folder above it.';
const SPACE = 'Free some space on that disk, or raise your quota.';

/** Hints by the code of the error. */
const HINTS: Readonly<Record<string, string>> = {
  EACCES: ACCESS,
  EPERM: ACCESS,
  ENOENT: 'It has been moved or deleted: change to another folder, or check the path.',
  ENOTDIR: 'A file is where a folder is expected: move it away, or set PERCEPT_HOME to another folder.',
  EISDIR: 'A folder is where a file is expected: move it away, or set PERCEPT_HOME to another folder.',
  EEXIST: 'Another file is in its place: move it away, or set PERCEPT_HOME to another folder.',
  EROFS: 'This disk can only be read: set PERCEPT_HOME to a folder on another one.',
  ENOSPC: SPACE,
  EDQUOT: SPACE,
  ENOMEM: 'Close other programs, or take a smaller model or context (--ctx).',
};

/** Hints for limits of the system. Node names some only in the message, as when a thread does not start. */
const LIMITS: readonly (readonly [code: RegExp, hint: string])[] = [
  [/\bEMFILE\b/, 'The limit of open files is reached: raise it (ulimit -n 1024).'],
  [/\bENFILE\b/, 'The limit of open files of the whole system is reached: close other programs.'],
  [
    /\bEAGAIN\b/,
    'The limit of processes and threads is reached: raise it (ulimit -u, pids.max of a container), or give --threads 1.',
  ],
];

const OTHERS = 'Check the path, its permissions and the disk that it is on.';

/** The hint for a limit of the system that is the cause of an error, at whatever depth; undefined for other causes. */
export function limitHint(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === 'read' || syscall === 'write') continue; // EAGAIN: nothing to read yet
    const limit = LIMITS.find(([name]) => name.test(`${code} ${message}`));
    if (limit) return limit[1];
  }
  return undefined;
}

/** The error in words; undefined if the system did not report it. */
export function systemError(error: unknown): UserError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { message, code = '', syscall, errcode } = error as NodeJS.ErrnoException & { errcode?: number };
  const isMemory = error instanceof RangeError && /allocat/i.test(message);
  const hint = isMemory ? HINTS.ENOMEM : (limitHint(error) ?? HINTS[code]);
  if (!hint && syscall === undefined && errcode === undefined) return undefined;
  const kind = isMemory || code === 'ENOMEM' ? 'memory' : 'error';
  return new UserError(`The system reports: ${message.replace(/\.$/, '')}.`, hint ?? OTHERS, {
    kind,
    cause: error,
  });
}
