/** The files of --file: what a question gets besides its words. */
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import { readStdin } from '../input.ts';
import { AttachedFiles, type Attachment } from './attached-files.ts';
import { type Naming, namedFile } from './named-file.ts';

const NAMING: Naming = { mark: '', instead: 'leave it out' };

/** Whether --file reads stdin. */
export function readsStdin({ file = [] }: Pick<Options, 'file'>): boolean {
  return file.includes('-');
}

/**
 * Reads the files in their order, in the format of attachments in a chat.
 *
 * @throws UserError (usage) for an empty path and for a missing file; UserError for one that is no text, or too large
 */
export async function readFiles(
  { file = [], parseSpecial }: Pick<Options, 'file' | 'parseSpecial'>,
  cwd = process.cwd(),
): Promise<{ texts: readonly string[]; attachments: readonly Attachment[] }> {
  if (parseSpecial && file.length > 0) throw specialInFiles();
  const attached = new AttachedFiles(NAMING, {});
  for (const path of file) {
    if (path === '-') attached.addText('stdin', await readStdin());
    else {
      if (path === '') throw noPath();
      const named = await namedFile(path, cwd, NAMING);
      if (!named) throw missing(path);
      await attached.add(named);
    }
  }
  return attached;
}

function specialInFiles(): UserError {
  const hint = 'Leave one of them out: special tokens in a file are always text.';
  return new UserError('--parse-special cannot be combined with --file.', hint, { kind: 'usage' });
}

/** A shell gives an empty path for a variable that is not set. As a path it would stand for the working folder. */
function noPath(): UserError {
  const hint = 'Name a file or a folder; a variable may be unset. For the working folder: -f .';
  return new UserError('Expected a file after --file, got "".', hint, { kind: 'usage' });
}

function missing(path: string): UserError {
  return new UserError(
    `There is no file ${path}.`,
    'Check its name; --file takes files and folders, and - for stdin.',
    {
      kind: 'usage',
    },
  );
}
