import { readFileSync } from 'node:fs';

/** Reads the float32 tensors of a safetensors file: u64 header length, JSON header, data. */
export function readSafetensors(path: string): (name: string) => Float32Array {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(
    file.toString('utf8', 8, start),
  );
  return (name) => {
    const [from, to] = header[name]!.data_offsets;
    return new Float32Array(Uint8Array.from(file.subarray(start + from, start + to)).buffer);
  };
}
