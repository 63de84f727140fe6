import { createReadStream } from 'node:fs';

/** The first `most` bytes of a file, or all of a shorter one. */
export async function readBytes(location: string, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(location, { end: most - 1 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}
