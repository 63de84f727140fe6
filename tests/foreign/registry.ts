/** Other programs from the package registries. They are installed once, to a folder of their own, and kept there. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kept between runs. PERCEPT_FOREIGN_HOME names another one. */
const HOME = process.env.PERCEPT_FOREIGN_HOME ?? join(tmpdir(), 'percept-foreign');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: string, args: readonly string[], cwd: string, env = process.env): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', (error) => resolve({ code: null, stdout, stderr: error.message }));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/**
 * The folder in which npm has installed `packages`, by name and version. Undefined where the registry does not answer;
 * then the reason is printed.
 */
export async function installed(name: string, packages: readonly string[]): Promise<string | undefined> {
  const folder = join(HOME, name);
  if (existsSync(join(folder, 'node_modules'))) return folder;
  mkdirSync(folder, { recursive: true });
  const { code, stderr } = await run(
    'npm',
    ['install', '--prefix', folder, '--no-save', ...packages],
    folder,
  );
  if (code === 0) return folder;
  process.stderr.write(`skipped: npm does not install ${packages.join(' ')}: ${lastLine(stderr)}\n`);
  return undefined;
}

/** The Python of an environment with these packages; undefined, with a printed reason, where pip does not install them. */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string | undefined> {
  const folder = join(HOME, name);
  const python = join(folder, 'bin/python');
  if (existsSync(join(folder, 'complete'))) return python;
  mkdirSync(HOME, { recursive: true });
  const made = await run('python3', ['-m', 'venv', folder], HOME);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
  const { code, stderr } = made.code === 0 ? await run(python, pip, folder) : made;
  if (code === 0) {
    writeFileSync(join(folder, 'complete'), '');
    return python;
  }
  process.stderr.write(`skipped: pip does not install ${packages.join(' ')}: ${lastLine(stderr)}\n`);
  return undefined;
}

/** The folder with the files of a package; undefined, with a printed reason, where pip does not get it. */
export async function extractedWheel(name: string, requirement: string): Promise<string | undefined> {
  const folder = join(HOME, name);
  if (existsSync(join(folder, 'complete'))) return folder;
  mkdirSync(folder, { recursive: true });
  const pip = ['-m', 'pip', 'install', '--no-deps', '--target', folder, requirement];
  const { code, stderr } = await run('python3', pip, folder);
  if (code === 0) {
    writeFileSync(join(folder, 'complete'), '');
    return folder;
  }
  process.stderr.write(`skipped: pip does not get ${requirement}: ${lastLine(stderr)}\n`);
  return undefined;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
