import { availableParallelism, cpus, totalmem } from 'node:os';
import { listBackends } from '../backends/select.ts';
import type { Call } from './commands.ts';
import { formatBytes } from './sizes.ts';

/** What can compute on this machine, what is chosen, and why not the others. */
export async function devices({ options, output }: Call): Promise<void> {
  const { backend: wanted, threads, json } = options;
  const backends = await listBackends(wanted, { threads });
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    threads: availableParallelism(), // that this process may use
    memory_bytes: totalmem(),
    available_bytes: process.availableMemory(),
  };
  if (json) return output.json({ machine, backends });
  const { heading, faint } = output.style;
  const memory = `${formatBytes(machine.available_bytes)} of ${formatBytes(machine.memory_bytes)} memory free`;
  await output.print(`${heading('Machine')}\n${machine.cpu}, ${machine.threads} threads, ${memory}\n`);
  await output.print(`\n${heading('Backends')}\n`);
  for (const { name, chosen, present, reason, description } of backends) {
    await output.print(`${chosen ? '* ' : '  '}${name}: ${present ? description : 'not here'}\n`);
    await output.print(`${faint(`    ${chosen ? 'chosen' : 'not chosen'}: ${reason}`)}\n`);
  }
}
