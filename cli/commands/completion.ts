import { bashScript } from '../arguments/completion/bash.ts';
import { fishScript } from '../arguments/completion/fish.ts';
import { completedCommands } from '../arguments/completion/grammar.ts';
import { powershellScript } from '../arguments/completion/powershell.ts';
import { zshScript } from '../arguments/completion/zsh.ts';
import type { Call } from '../command.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript, powershell: powershellScript };

/** Prints the completion script of a shell. */
export async function completion({ operands, output, commands }: Call): Promise<void> {
  const script = SCRIPTS[operands[0] as keyof typeof SCRIPTS];
  await output.print(script(completedCommands(commands)));
}
