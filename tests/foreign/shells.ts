/** Installs the shells whose completion tests/cli/completion.test.ts tests, where apt-get may. */
import { run } from './registry.ts';

const SHELLS = ['zsh', 'fish'];

export async function setup(): Promise<void> {
  const missing: string[] = [];
  for (const shell of SHELLS) if ((await run(shell, ['--version'], '/')).code !== 0) missing.push(shell);
  if (missing.length === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update'], '/', env);
  const { code, stderr } = await run('apt-get', ['install', '-y', ...missing], '/', env);
  if (code !== 0)
    process.stderr.write(`skipped: apt-get does not install ${missing.join(' ')}: ${stderr.trim()}\n`);
}
