import { cpus, totalmem } from 'node:os';
import { type BackendReport, listBackends, usableCores } from '../backends/select.ts';
import type { Call } from './commands.ts';
import type { Output } from './output.ts';
import { formatBytes } from './sizes.ts';

/** What can compute on this machine, what is chosen, and why not the others. */
export async function devices({ options, output }: Call): Promise<void> {
  const { backend: wanted, threads, json } = options;
  const backends = await listBackends(wanted, { threads });
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    cores: usableCores(), // that this process may use
    memory_bytes: totalmem(),
    available_bytes: process.availableMemory(),
  };
  if (json) return output.json({ machine, backends: backends.map(inJson) });
  const { heading } = output.style;
  const memory = `${formatBytes(machine.available_bytes)} of ${formatBytes(machine.memory_bytes)} memory free`;
  await output.print(`${heading('Machine')}\n${machine.cpu}, ${machine.cores} cores, ${memory}\n`);
  await output.print(`\n${heading('Backends')}\n`);
  for (const backend of backends) await printBackend(output, backend);
}

function inJson({ roofs, ...backend }: BackendReport) {
  if (!roofs) return backend;
  const { readBytesPerSecond, multiplyAddsPerSecond } = roofs;
  return {
    ...backend,
    roofs: { read_bytes_per_s: readBytesPerSecond, multiply_adds_per_s: multiplyAddsPerSecond },
  };
}

async function printBackend(output: Output, backend: BackendReport): Promise<void> {
  const { name, chosen, present, reason, threads, description, roofs } = backend;
  const lines = [`${chosen ? 'chosen' : 'not chosen'}: ${reason}`];
  if (threads !== undefined) lines.push(`threads: ${threads}`);
  if (roofs) {
    const multiplies = (roofs.multiplyAddsPerSecond / 1e9).toFixed(0);
    lines.push(
      `roofs: memory ${formatBytes(roofs.readBytesPerSecond)}/s, ${multiplies} G multiply-adds/s of 8 bits`,
    );
  }
  await output.print(`${chosen ? '* ' : '  '}${name}: ${present ? description : 'not here'}\n`);
  for (const line of lines) await output.print(`${output.style.faint(`    ${line}`)}\n`);
}
