import { cpus, totalmem } from 'node:os';
import { gpuJsVersion } from '../../backends/gpujs/gpu-js.ts';
import { findAdapters, usableCores } from '../../backends/select.ts';
import { type ListedBackend, listBackends } from '../../core/devices.ts';
import { directories } from '../../core/directories.ts';
import { freeMemory } from '../../core/free-memory.ts';
import { packageVersion, perceptVersion } from '../../core/version.ts';
import type { Call } from '../command.ts';
import type { Output } from '../output.ts';
import { counted, formatBytes } from '../sizes.ts';
import { paragraph } from '../terminal/text/wrap.ts';

type Adapters = Awaited<ReturnType<typeof findAdapters>>;
type Adapter = Adapters['adapters'][number];

/**
 * Prints the adapters and backends of this machine, which backend is chosen, and why the others are not. How they compute
 * is shown with --debug, all there is in JSON.
 */
export async function devices({ options, output }: Call): Promise<void> {
  const { backend: wanted, threads, json, debug = false } = options;
  const backends = await listBackends(wanted, { threads });
  const found = await findAdapters(directories().cache);
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    cores: usableCores(), // available to this process
    memory_bytes: totalmem(),
    available_bytes: freeMemory() ?? totalmem(),
  };
  const versions = {
    percept: perceptVersion(),
    node: process.versions.node,
    webgpu: packageVersion('webgpu'),
    'gpu.js': await gpuJsVersion(),
  };
  if (json) {
    const { adapters, none } = found;
    return output.json({
      ...{ machine, versions, no_adapter: none },
      adapters: adapters.map(adapterInJson),
      backends: backends.map(backendInJson),
    });
  }
  const { heading } = output.style;
  const memory = `${formatBytes(machine.available_bytes)} of ${formatBytes(machine.memory_bytes)} memory free`;
  await output.print(`${heading('Machine')}\n${machine.cpu}, ${machine.cores} cores, ${memory}\n`);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version ?? 'not installed'}`);
  await output.print(`${named.join(', ')}\n\n${heading('Adapters')}\n`);
  if (found.none !== undefined) await output.print(paragraph(`none: ${found.none}`, 2));
  for (const adapter of found.adapters) await printAdapter(output, adapter, debug);
  await output.print(`\n${heading('Backends')}\n`);
  for (const backend of backends) await printBackend(output, backend, debug);
}

function backendInJson({ roofs, device, ...backend }: ListedBackend) {
  const inJson = { ...backend, device: device && adapterInJson(device) };
  if (!roofs) return inJson;
  const { readBytesPerSecond, multiplyAddsPerSecond } = roofs;
  return {
    ...inJson,
    roofs: { read_bytes_per_s: readBytesPerSecond, multiply_adds_per_s: multiplyAddsPerSecond },
  };
}

function adapterInJson({ memory, ...adapter }: Adapter) {
  return { ...adapter, memory_bytes: memory };
}

async function printAdapter(output: Output, adapter: Adapter, debug: boolean): Promise<void> {
  const { name, vendor, architecture, driver, software, features, limits, memory } = adapter;
  const about = [vendor, architecture, driver].filter((part) => part !== '' && part !== name);
  const useful = ['shader-f16', 'subgroups', 'timestamp-query'].filter((feature) =>
    features.includes(feature),
  );
  const details = [
    `features: ${useful.join(', ') || 'none of those used'}; ${features.length} in total`,
    `buffers up to ${formatBytes(limits.maxStorageBufferBindingSize ?? 0)}`,
  ];
  const lines = [
    ...(about.length > 0 ? [about.join(', ')] : []),
    ...(memory === undefined ? [] : [`memory: ${formatBytes(memory)}`]),
    ...(debug ? details : []),
  ];
  await output.print(`  ${name}${software ? ' (in software)' : ''}\n`);
  for (const line of lines) await output.print(output.style.faint(paragraph(line, 4)));
}

async function printBackend(output: Output, backend: ListedBackend, debug: boolean): Promise<void> {
  const { name, chosen, present, reason, description, roofs } = backend;
  const lines = [`${chosen ? 'chosen' : 'not chosen'}: ${reason}`];
  if (roofs) {
    const multiplies = (roofs.multiplyAddsPerSecond / 1e9).toFixed(0);
    lines.push(
      `reads memory at ${formatBytes(roofs.readBytesPerSecond)}/s: bounds how fast an answer is written`,
      `computes ${multiplies} G multiply-adds/s (8 bits): bounds how fast a prompt is read`,
    );
  }
  if (debug && description) lines.push(`details: ${description}`);
  const what = present ? inWords(backend) : 'not available';
  await output.print(paragraph(`${chosen ? '* ' : '  '}${name}: ${what}`, 0, 4));
  for (const line of lines) await output.print(output.style.faint(paragraph(line, 4)));
}

/** Where a backend computes. */
function inWords({ name, device, threads = 1 }: ListedBackend): string {
  const place = device
    ? `${device.name}${device.software ? ' (in software)' : ''}`
    : `the processor, ${counted(threads, 'thread')}`;
  if (name === 'gpujs') return `the library gpu.js on ${place}`;
  return name === 'reference' ? 'plain TypeScript, one thread: slow' : place;
}
