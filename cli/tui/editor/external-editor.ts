/** The text in the user's own editor: Ctrl-G. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { UserError } from '../../../errors.ts';
import { decodeText } from '../../decode-text.ts';

interface ExternalEditorOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Gives the terminal away while `work` runs, and takes it back. */
  readonly suspend: (work: () => Promise<void>) => Promise<void>;
}

/**
 * What the user made of `text` in $VISUAL, else $EDITOR, else vi (Windows: notepad); one newline at the end is the
 * editor's, not the user's. The editor starts in the folder of the file: in the working directory it could find settings
 * of its own that run code, such as .exrc, and Windows the editor itself.
 *
 * @throws UserError when it cannot be started, or says that it failed: then the text is as it was.
 */
export async function editExternally(text: string, { env, suspend }: ExternalEditorOptions): Promise<string> {
  const fallback = process.platform === 'win32' ? 'notepad' : 'vi';
  const command = splitCommand(env.VISUAL?.trim() || env.EDITOR?.trim() || fallback);
  const folder = await mkdtemp(join(tmpdir(), 'percept-')); // readable for the user alone
  const file = join(folder, 'prompt.md');
  try {
    await writeFile(file, `${text}\n`, { mode: 0o600 });
    await suspend(() => runEditor(command, { file, cwd: folder, env }));
    return decodeText(await readFile(file)).replace(/\r?\n$/, '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Words of a command; quotes hold a word together, as in `"/opt/my editor/bin" --wait`. */
export function splitCommand(command: string): string[] {
  const words = command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

interface Run {
  readonly file: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

async function runEditor(command: readonly string[], { file, cwd, env }: Run): Promise<void> {
  const [name = '', ...flags] = command;
  const program = /[\\/]/.test(name) ? resolve(name) : name; // a mere name is one of PATH
  // On Windows editors are often scripts (code.cmd), which only a shell starts.
  const child =
    process.platform === 'win32'
      ? spawn([program, ...flags, file].map((word) => `"${word}"`).join(' '), {
          shell: true,
          stdio: 'inherit',
          cwd,
          env,
        })
      : spawn(program, [...flags, file], { stdio: 'inherit', cwd, env });
  const [code, signal] = await once(child, 'exit').catch((cause) => {
    throw new UserError(
      `Starting the editor "${program}" failed: ${cause.message}`,
      'Set VISUAL or EDITOR to an editor that is installed; the text is as it was.',
      { cause },
    );
  });
  if (code === 0) return;
  throw new UserError(
    `The editor "${program}" ended with ${signal ?? `code ${code}`}.`,
    'The text is as it was; edit it again, or set VISUAL or EDITOR to another editor.',
  );
}
