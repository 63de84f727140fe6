import type { Call } from './commands.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import { completedCommands } from './completion/grammar.ts';
import { powershellScript } from './completion/powershell.ts';
import { zshScript } from './completion/zsh.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript, powershell: powershellScript };

/** Prints the completion script of a shell. */
export async function completion({ operands, output }: Call): Promise<void> {
  const script = SCRIPTS[operands[0] as keyof typeof SCRIPTS];
  await output.print(script(completedCommands()));
}
