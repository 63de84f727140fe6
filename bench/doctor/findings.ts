/** Turns facts into findings: what is fine, what slows this machine down, and what to do. */
import { digits } from '../formats.ts';
import { median } from '../statistics.ts';
import type { Cores, CpuBackend, CpuSpeed, Facts, Memory, ModelRead, Power } from './facts.ts';

export interface Finding {
  readonly level: 'ok' | 'warn' | 'bad';
  readonly what: string; // observation
  readonly why: string; // its effect; empty for ok
  readonly todo: string; // remedy; empty for ok
}

export function findings(facts: Facts): Finding[] {
  const { node, emulation, cpu, cores, load, memory, model, power } = facts;
  return [
    judgeNode(node),
    judgeFlags(node),
    judgeEmulation(emulation),
    judgeCpu(cpu),
    judgeCores(cores),
    judgeLoad(load, cores),
    ...('speed' in cpu ? judgeSpeed(cpu.speed) : []),
    judgeMemory(memory),
    judgeSwap(memory),
    judgeDisk(model),
    judgePower(power),
  ].filter((finding) => finding !== undefined);
}

type Judgement = Finding | undefined; // undefined: nothing known, or nothing to say

const ok = (what: string): Finding => ({ level: 'ok', what, why: '', todo: '' });
const warn = (what: string, why: string, todo: string): Finding => ({ level: 'warn', what, why, todo });
const bad = (what: string, why: string, todo: string): Finding => ({ level: 'bad', what, why, todo });

// ----- program

const LEAST_NODE = 26;

function judgeNode({ version }: Facts['node']): Judgement {
  const what = `Node ${version}`;
  if (Number.parseInt(version, 10) >= LEAST_NODE) return ok(what);
  return bad(
    what,
    'The kernels need relaxed SIMD of WebAssembly as newer versions compile it.',
    `Use Node ${LEAST_NODE} or newer; npm install includes it.`,
  );
}

/** Flags that turn off V8's optimizing compilers, or that profile or debug. */
const SLOW_FLAGS =
  /^--(jitless|no-?opt|max-?lazy|liftoff-only|no-wasm-tier-up|no-wasm-opt|wasm-interpret|cpu-prof|prof$|inspect|experimental-test-coverage)/;

function judgeFlags({ flags }: Facts['node']): Judgement {
  const slow = flags.filter((flag) => SLOW_FLAGS.test(flag));
  if (slow.length === 0) return undefined;
  return warn(
    `Node runs with ${slow.join(' ')}`,
    'These flags slow down compiled code.',
    'Remove them, from NODE_OPTIONS too.',
  );
}

function judgeEmulation(emulation: string | undefined): Judgement {
  if (emulation === undefined) return undefined;
  return bad(
    `Node runs under ${emulation}`,
    'Every vector instruction is translated for another processor, which is several times slower.',
    "Install the build of Node for this machine's processor.",
  );
}

function judgeCpu(cpu: CpuBackend): Judgement {
  if ('failure' in cpu)
    return bad(
      'the CPU backend does not start',
      `${cpu.failure} Only the reference backend remains, a hundred times slower.`,
      'Use a processor with SIMD and a current Node; percept devices has details.',
    );
  if (!cpu.description.includes('16-bit pairs')) return ok(`vectors: ${cpu.description}`);
  return warn(
    `vectors: ${cpu.description}`,
    'V8 finds no byte dot products (AVX-VNNI) on this processor, so prompts are read more slowly.',
    'No setting helps. Newer processors have them: Alder Lake, Sapphire Rapids, Zen 5, ARM with dot products.',
  );
}

// ----- cores

function judgeCores({ present, usable, quota = Infinity }: Cores): Judgement {
  if (quota < usable) {
    const what = `the container may use the time of ${digits(quota)} cores, of ${usable} it sees`;
    const todo = "Raise the container's limit.";
    if (quota < 1) return bad(what, 'Even a single thread is paused in the middle of a step.', todo);
    return warn(
      what,
      `More threads would be paused in the middle of a step, so percept starts ${Math.floor(quota)}.`,
      todo,
    );
  }
  if (usable < present)
    return warn(
      `${usable} of ${present} cores may be used`,
      'The speed of reading a prompt grows with the number of cores.',
      'Widen the affinity (taskset, cpuset), or give the container more cores.',
    );
  return ok(`cores: ${usable}, all may be used`);
}

function judgeLoad(load: number | undefined, { usable }: Cores): Judgement {
  if (load === undefined) return undefined;
  const what = `load of the last minute: ${load.toFixed(1)} on ${usable} cores`;
  if (load < usable / 2) return ok(what);
  const why = 'Other programs use the cores while a step runs.';
  const todo = 'Stop them while you measure, or leave them some cores: --threads N.';
  return load < 1.5 * usable ? warn(what, why, todo) : bad(what, why, todo);
}

// ----- what was measured

function judgeSpeed(speed: CpuSpeed): Judgement[] {
  return [
    judgeScaling(speed),
    judgeSpread(speed),
    judgeStolen(speed),
    judgeThrottled(speed),
    judgeReading(speed),
  ];
}

/** Compares all threads together with one thread. */
function judgeScaling({ threads, multiplyOne, multiplyAll }: CpuSpeed): Judgement {
  if (threads === 1) return undefined;
  const times = median(multiplyAll) / median(multiplyOne);
  const what = `${threads} threads compute ${times.toFixed(1)} times as fast as one`;
  const share = times / threads;
  if (share >= 0.85) return ok(what);
  const why =
    'The cores share a resource: two threads per core, another program, or a limit of heat or power.';
  const todo = `Try fewer threads (percept bench --threads 1,${threads} compares them), and stop other programs.`;
  return share >= 0.6 ? warn(what, why, todo) : bad(what, why, todo);
}

function judgeSpread({ multiplyAll }: CpuSpeed): Judgement {
  const spread = (Math.max(...multiplyAll) - Math.min(...multiplyAll)) / median(multiplyAll);
  const what = `the same work varied by ${(100 * spread).toFixed(0)} % within a second`;
  if (spread < 0.25) return ok(what);
  return warn(
    what,
    'Another program uses these cores, or their clock frequency changes.',
    'Trust only ratios of alternating runs: percept bench --peer, with many repetitions.',
  );
}

function judgeStolen({ stolenShare }: CpuSpeed): Judgement {
  if (stolenShare === undefined) return undefined;
  const what = `${(100 * stolenShare).toFixed(0)} % of the processors' time was stolen by the host`;
  if (stolenShare < 0.02) return undefined;
  const why = 'The host of this virtual machine has promised more cores than it has.';
  const todo = 'Use a machine with dedicated cores.';
  return stolenShare < 0.15 ? warn(what, why, todo) : bad(what, why, todo);
}

function judgeThrottled({ throttledMs }: CpuSpeed): Judgement {
  if (!throttledMs) return undefined;
  return bad(
    `the container was paused for ${digits(throttledMs)} ms during the probes`,
    'It had used up its quota of processor time.',
    'Raise the limit, or use fewer threads.',
  );
}

const SLOW_MEMORY = 10e9; // bytes a second; two channels of DDR4 give 40e9
const VERY_SLOW_MEMORY = 4e9;

function judgeReading({ readAll }: CpuSpeed): Judgement {
  const speed = median(readAll);
  const what = `memory is read at ${digits(speed / 1e9)} GB/s`;
  if (speed >= SLOW_MEMORY) return ok(what);
  const why = 'Every token needs every weight, so this limits the speed of answers.';
  const todo = 'Use a smaller quantization (Q4_0), fill all memory channels, stop other programs.';
  return speed >= VERY_SLOW_MEMORY ? warn(what, why, todo) : bad(what, why, todo);
}

// ----- memory, disk, power

function judgeMemory({ availableBytes, neededBytes }: Memory): Judgement {
  const free = `${gigabytes(availableBytes)} of memory are free`;
  if (neededBytes === undefined) return ok(free);
  const what = `${free}, the model takes ${gigabytes(neededBytes)}`;
  if (availableBytes >= 1.25 * neededBytes) return ok(what);
  const todo = 'Close other programs, ask for a shorter context (--ctx), or use a smaller quantization.';
  if (availableBytes < neededBytes)
    return bad(what, 'It does not fit: percept will refuse to load it.', todo);
  return warn(what, 'Little is left for other programs, so the system will swap.', todo);
}

const MUCH_SWAP = 1e9; // bytes

function judgeSwap({ swapUsedBytes, swappedBytes }: Memory): Judgement {
  if (swapUsedBytes === undefined) return undefined;
  const todo = 'Close other programs, or use a smaller model.';
  if (swappedBytes)
    return bad(
      `${gigabytes(swappedBytes)} of this process are swapped out`,
      'Weights on disk are read thousands of times more slowly.',
      todo,
    );
  const what = `swap in use: ${gigabytes(swapUsedBytes)}`;
  if (swapUsedBytes < MUCH_SWAP) return ok(what);
  return warn(what, 'Memory was short before, and may be short again with a model loaded.', todo);
}

const SLOW_DISK = 200e6; // bytes a second

function judgeDisk(model: ModelRead | undefined): Judgement {
  if (!model) return undefined;
  const size = `${digits(model.bytes / 1e6)} MB`;
  const what = `the model file is read at ${gigabytes(model.bytesPerSecond)}/s (${size}, cached or not)`;
  if (model.bytesPerSecond >= SLOW_DISK) return ok(what);
  return warn(what, 'Loading waits for the disk.', `Move ${model.path} to a faster disk.`);
}

/** Drivers whose "powersave" governor still follows the load. */
const SELF_GOVERNING = /^(intel_pstate|amd-pstate-epp|amd_pstate_epp)$/;

function judgePower({ governor, driver, onBattery }: Power): Judgement {
  if (governor === 'powersave' && !SELF_GOVERNING.test(driver ?? ''))
    return warn(
      'the frequency governor is powersave',
      'The cores stay at their lowest clock frequency.',
      'sudo cpupower frequency-set -g performance',
    );
  if (onBattery)
    return warn(
      'the machine runs on battery',
      'Most machines lower their clock frequency on battery.',
      'Plug it in while you measure.',
    );
  return governor === undefined ? undefined : ok(`frequency governor: ${governor}`);
}

function gigabytes(bytes: number): string {
  return `${digits(bytes / 1e9)} GB`;
}
