import { describe, expect, it } from 'vitest';
import type { CpuSpeed, Facts } from '../../bench/doctor/facts.ts';
import { findings } from '../../bench/doctor/findings.ts';
import { parseKilobytes, parseProcessorTicks } from '../../bench/doctor/platform.ts';

const SPEED: CpuSpeed = {
  threads: 4,
  multiplyOne: [1e11, 1.02e11],
  multiplyAll: [3.9e11, 4e11],
  readAll: [30e9, 31e9],
};
const WELL: Facts = {
  node: { version: '26.10.0', flags: ['--max-old-space-size=4096'] },
  cpu: { description: 'WebAssembly relaxed SIMD, unsigned dot products (AVX-VNNI)', speed: SPEED },
  cores: { present: 4, usable: 4 },
  load: 0.4,
  memory: { availableBytes: 8e9, neededBytes: 0.5e9, swapUsedBytes: 0, swappedBytes: 0 },
  model: { path: '/m.gguf', bytes: 98e6, bytesPerSecond: 2e9 },
  power: { governor: 'performance', driver: 'acpi-cpufreq' },
};

/** Findings that differ from those of a healthy machine, as "level: what". */
function troubles(changes: Partial<Facts>): string[] {
  const found = findings({ ...WELL, ...changes }).filter(({ level }) => level !== 'ok');
  for (const { why, todo } of found) expect([why, todo]).not.toContain('');
  return found.map(({ level, what }) => `${level}: ${what}`);
}
const measured = (speed: Partial<CpuSpeed>) =>
  troubles({ cpu: { description: 'unsigned', speed: { ...SPEED, ...speed } } });

describe('findings of the doctor', () => {
  it('a healthy machine', () => {
    expect(findings(WELL).map(({ level, what }) => `${level}: ${what}`)).toEqual([
      'ok: Node 26.10.0',
      'ok: vectors: WebAssembly relaxed SIMD, unsigned dot products (AVX-VNNI)',
      'ok: cores: 4, all may be used',
      'ok: load of the last minute: 0.4 on 4 cores',
      'ok: 4 threads compute 3.9 times as fast as one',
      'ok: the same work varied by 3 % within a second',
      'ok: memory is read at 30.5 GB/s',
      'ok: 8.00 GB of memory are free, the model takes 0.500 GB',
      'ok: swap in use: 0 GB',
      'ok: the model file is read at 2.00 GB/s (98.0 MB, cached or not)',
      'ok: frequency governor: performance',
    ]);
  });

  it('omits what a platform does not report', () => {
    const facts: Facts = {
      ...WELL,
      load: undefined,
      memory: { availableBytes: 8e9 },
      model: undefined,
      power: {},
    };
    expect(findings(facts)).toHaveLength(7);
  });

  it('an old Node, slow flags, emulation', () => {
    expect(troubles({ node: { version: '22.1.0', flags: ['--jitless', '--inspect=9229'] } })).toEqual([
      'bad: Node 22.1.0',
      'warn: Node runs with --jitless --inspect=9229',
    ]);
    expect(troubles({ emulation: 'Rosetta' })).toEqual(['bad: Node runs under Rosetta']);
  });

  it('a CPU backend that fails to start, or lacks byte dot products', () => {
    expect(troubles({ cpu: { failure: 'no SIMD.' } })).toEqual(['bad: the CPU backend does not start']);
    const description = 'WebAssembly relaxed SIMD, 16-bit pairs (AVX2)';
    expect(troubles({ cpu: { description, speed: SPEED } })).toEqual([`warn: vectors: ${description}`]);
  });

  it('cores that this process may not use', () => {
    expect(troubles({ cores: { present: 8, usable: 4 } })).toEqual(['warn: 4 of 8 cores may be used']);
    expect(troubles({ cores: { present: 4, usable: 4, quota: 1.5 } })).toEqual([
      'warn: the container may use the time of 1.50 cores, of 4 it sees',
    ]);
    expect(troubles({ cores: { present: 4, usable: 1, quota: 0.5 } })).toEqual([
      'bad: the container may use the time of 0.500 cores, of 1 it sees',
    ]);
    expect(troubles({ cores: { present: 4, usable: 4, quota: 4 } })).toEqual([]);
  });

  it('other programs', () => {
    expect(troubles({ load: 3 })).toEqual(['warn: load of the last minute: 3.0 on 4 cores']);
    expect(troubles({ load: 9 })).toEqual(['bad: load of the last minute: 9.0 on 4 cores']);
  });

  it('threads that share cores, vary, are stolen or paused', () => {
    expect(measured({ multiplyAll: [3e11, 3e11] })).toEqual([
      'warn: 4 threads compute 3.0 times as fast as one',
    ]);
    expect(measured({ multiplyAll: [2e11, 2e11] })).toEqual([
      'bad: 4 threads compute 2.0 times as fast as one',
    ]);
    expect(measured({ threads: 1, multiplyAll: [1e11] })).toEqual([]);
    expect(measured({ multiplyAll: [3e11, 4e11, 4.2e11] })).toEqual([
      'warn: the same work varied by 30 % within a second',
    ]);
    expect(measured({ stolenShare: 0.3 })).toEqual([
      "bad: 30 % of the processors' time was stolen by the host",
    ]);
    expect(measured({ throttledMs: 120 })).toEqual([
      'bad: the container was paused for 120 ms during the probes',
    ]);
  });

  it('slow or short memory, swap, a slow disk', () => {
    expect(measured({ readAll: [8e9] })).toEqual(['warn: memory is read at 8.00 GB/s']);
    expect(measured({ readAll: [2e9] })).toEqual(['bad: memory is read at 2.00 GB/s']);
    expect(troubles({ memory: { availableBytes: 0.55e9, neededBytes: 0.5e9 } })).toEqual([
      'warn: 0.550 GB of memory are free, the model takes 0.500 GB',
    ]);
    expect(troubles({ memory: { availableBytes: 0.4e9, neededBytes: 0.5e9 } })).toEqual([
      'bad: 0.400 GB of memory are free, the model takes 0.500 GB',
    ]);
    expect(troubles({ memory: { availableBytes: 8e9, swapUsedBytes: 2e9 } })).toEqual([
      'warn: swap in use: 2.00 GB',
    ]);
    expect(troubles({ memory: { availableBytes: 8e9, swapUsedBytes: 2e9, swappedBytes: 1e8 } })).toEqual([
      'bad: 0.100 GB of this process are swapped out',
    ]);
    expect(troubles({ model: { path: '/m.gguf', bytes: 98e6, bytesPerSecond: 9e7 } })).toEqual([
      'warn: the model file is read at 0.0900 GB/s (98.0 MB, cached or not)',
    ]);
  });

  it('a low clock', () => {
    expect(troubles({ power: { governor: 'powersave', driver: 'acpi-cpufreq' } })).toEqual([
      'warn: the frequency governor is powersave',
    ]);
    expect(troubles({ power: { governor: 'powersave', driver: 'intel_pstate' } })).toEqual([]);
    expect(troubles({ power: { onBattery: true } })).toEqual(['warn: the machine runs on battery']);
  });
});

describe('figures of Linux', () => {
  it('the ticks of processors', () => {
    const text = 'cpu  480 0 20 700 3 0 1 50 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n';
    expect(parseProcessorTicks(text)).toEqual({ all: 1254, stolen: 50 });
    expect(parseProcessorTicks('')).toBeUndefined();
  });

  it('fields in kilobytes', () => {
    expect(parseKilobytes('SwapTotal:       2048 kB\nSwapFree:  1 kB\n', 'SwapTotal')).toBe(2048 * 1024);
    expect(parseKilobytes('SwapTotal: 2048 kB\n', 'Swap')).toBeUndefined();
  });
});
