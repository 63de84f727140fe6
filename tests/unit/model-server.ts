/** A loopback server of one file, well-behaved or faulty, for tests of downloads. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse, number: number) => void;

export interface ModelServer {
  readonly origin: string;
  readonly requests: IncomingMessage[];
  close(): Promise<void>;
}

export async function startServer(handler: Handler): Promise<ModelServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => handler(request, response, requests.push(request)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { origin: `http://127.0.0.1:${port}`, requests, close };
}

export interface Served {
  readonly body: Buffer;
  readonly etag?: string;
  readonly ranges?: boolean; // whether Range is honoured, default true
  readonly cutAfter?: number; // bytes of this response after which the connection breaks
  readonly stallAfter?: number; // bytes of this response after which nothing more comes
}

/** Answers as a correct server: 200, 206 when If-Range matches, 416 when the range begins at the end. */
export function sendFile(request: IncomingMessage, response: ServerResponse, served: Served): void {
  const { body, etag, ranges = true, cutAfter, stallAfter } = served;
  const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const start = ranges && first && request.headers['if-range'] === etag ? Number(first) : 0;
  if (etag) response.setHeader('etag', etag);
  if (start >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end('<p>There is no more.');
    return;
  }
  const part = body.subarray(start);
  const range = { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` };
  response.writeHead(start ? 206 : 200, { 'content-length': part.length, ...(start && range) });
  const limit = cutAfter ?? stallAfter;
  if (limit === undefined) response.end(part);
  else
    response.write(
      part.subarray(0, limit),
      () => cutAfter !== undefined && setTimeout(() => response.destroy(), 20),
    );
}
