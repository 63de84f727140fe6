/** Describes an adapter, for `percept devices`. */
import type { DeviceInfo } from '../backend.ts';

/** The reported properties of a GPUAdapter, as plain data: another process may send them. */
export interface AdapterFacts {
  readonly info: Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'device' | 'description'> & {
    readonly isFallbackAdapter?: boolean;
  };
  readonly features: Iterable<string>;
  readonly limits: object;
}

/** Adapters whose drivers compute on the processor. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|microsoft basic render/i;

export function describeAdapter({ info, features, limits }: AdapterFacts): DeviceInfo {
  const { vendor, architecture, device, description, isFallbackAdapter = false } = info;
  const numbers: Record<string, number> = {};
  for (const name in limits) numbers[name] = (limits as Record<string, number>)[name]!;
  return {
    name: device || description || architecture || vendor || 'unnamed adapter',
    vendor,
    architecture,
    driver: description,
    software: isFallbackAdapter || SOFTWARE.test([vendor, architecture, device, description].join(' ')),
    features: [...features].sort(),
    limits: numbers,
  };
}
