/**
 * Transfers over HTTP. Redirects are followed here, so that headers for one host never reach another. A transfer
 * resumes by range if the server confirms that the file is the same (RFC 9110: If-Range, 206, 416), and is retried if
 * the connection breaks or stalls. Proxies come from the environment (proxy.ts).
 */
import http, { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../../errors.ts';
import { MAX_HEADER } from '../../gguf/header.ts';
import { announcedBytes, HeaderError } from '../../gguf/index.ts';
import { ensureSpace, type PartialFile } from '../partial-file.ts';
import { isLoopback, isSafeAddress } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import { proxyEnvironment } from './proxy.ts';
import type { Transfer } from './source.ts';

/** Additions of one kind of server to the plain transfer. */
interface Manners {
  /** Headers for a request to `url` alone; called again for each redirect. */
  headers?(url: URL): OutgoingHttpHeaders;
  /** Sees each response, including redirects; may throw SourceFailure. */
  inspect?(response: IncomingMessage, url: URL): void;
}

/** An interruption that may be temporary. It is not worth a retry if no server was reached. */
class Interruption extends Error {
  readonly reached: boolean;

  constructor(reason: string, reached: boolean) {
    super(reason);
    this.reached = reached;
  }
}

const MAX_REDIRECTS = 5;
/** Bytes at the end of a partial file that are asked for again, and must be the same: not every validator tells. */
const OVERLAP = 4096;
const PROGRESS_BYTES = 1e6; // an attempt that receives this much resets the count of attempts

const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found',
  ENETUNREACH: 'network unreachable',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'connection timed out',
};

/**
 * Fills `transfer.partial` with the file at `url`.
 *
 * @throws SourceFailure if the server cannot be reached, refuses, or keeps breaking off.
 */
export async function download(url: URL, transfer: Transfer, manners: Manners = {}): Promise<void> {
  const { partial, patience, signal } = transfer;
  let reached = false;
  for (let attempt = 1; ; attempt++) {
    const before = partial.size;
    try {
      return await downloadOnce(url, transfer, manners);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interruption)) throw error;
      reached ||= error.reached;
      if (partial.size - before >= PROGRESS_BYTES) attempt = 1;
      if (!reached || attempt >= patience.attempts) throw new SourceFailure(error.message, { cause: error });
    }
    await delay(patience.retryMs * 2 ** (attempt - 1), undefined, { signal });
  }
}

async function downloadOnce(url: URL, transfer: Transfer, manners: Manners): Promise<void> {
  const { partial, patience, signal } = transfer;
  const deadline = new Deadline(signal);
  try {
    transfer.onProgress('connecting', partial.size, transfer.expected.bytes);
    const validator = partial.validatorFor(transfer.reference.text);
    const from = Math.max(0, partial.size - OVERLAP);
    const range = validator ? { range: `bytes=${from}-`, 'if-range': validator } : {};
    const response = await follow(url, range, transfer, manners, deadline);
    const total = await begin(response, validator === undefined ? undefined : { validator, from }, transfer);
    if (response.statusCode === 416) return;
    let overlap = await partial.end(partial.size - from); // bytes that come again
    const bound = total === undefined ? new HeaderBound(partial) : undefined;
    for await (const received of response) {
      deadline.expect(`no bytes for ${seconds(patience.stallMs)}`, patience.stallMs);
      const again = received.subarray(0, overlap.length);
      if (!overlap.subarray(0, again.length).equals(again)) {
        await partial.restart();
        throw new Interruption('sent other bytes of the file than before', true);
      }
      overlap = overlap.subarray(again.length);
      const chunk = received.subarray(again.length);
      if (total !== undefined && partial.size + chunk.length > total) {
        throw new SourceFailure(`expected ${total} bytes, got more`);
      }
      await partial.append(chunk);
      await bound?.check();
      transfer.onProgress('downloading', partial.size, total);
    }
    if (total !== undefined && partial.size < total)
      throw new Interruption('connection closed too early', true);
  } catch (error) {
    throw deadline.missed ?? explained(error, deadline.reached);
  } finally {
    deadline.end();
  }
}

/** Bytes that may follow the last tensor. */
const SLACK = 1 << 20;

/** Bounds a body without a length: by the tensors that its header lists, as soon as the header is there. */
class HeaderBound {
  readonly #partial: PartialFile;
  #next = SLACK; // size at which to look for the header, doubled each time
  #most: number | undefined;

  constructor(partial: PartialFile) {
    this.#partial = partial;
  }

  /**
   * Throws SourceFailure, and empties the file, if it is too long, or if its header cannot be read and so gives no bound.
   * Throws UserError if the disk is too small for it.
   */
  async check(): Promise<void> {
    const { path, size } = this.#partial;
    if (this.#most === undefined && size >= this.#next) {
      this.#next *= 2;
      const bytes = await this.#announced();
      if (bytes !== undefined) {
        this.#most = bytes + SLACK;
        await ensureSpace(path, bytes - size);
      }
    }
    if (size <= (this.#most ?? MAX_HEADER)) return;
    const reason =
      this.#most === undefined
        ? `no header of a GGUF file within ${MAX_HEADER} bytes`
        : `expected ${this.#most - SLACK} bytes by the header of the file, got more`;
    await this.#refuse(new SourceFailure(reason));
  }

  async #announced(): Promise<number | undefined> {
    try {
      return await announcedBytes(this.#partial.path);
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      return this.#refuse(SourceFailure.of(error));
    }
  }

  async #refuse(failure: SourceFailure): Promise<never> {
    await this.#partial.restart();
    throw failure;
  }
}

/** The longest answer of a hub that is read as JSON: the listing of a large repository has some megabytes. */
const MOST_JSON = 16 << 20;

/** What a request needs besides its address. */
export type Asking = Pick<Transfer, 'patience' | 'env' | 'signal'>;

/**
 * The JSON that a server answers with.
 *
 * @throws SourceFailure if the server cannot be reached, refuses, or answers something else.
 */
export async function fetchJson(
  url: URL,
  asking: Asking,
  manners: Manners = {},
): Promise<{ value: unknown; headers: IncomingHttpHeaders }> {
  const { patience, signal } = asking;
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchJsonOnce(url, asking, manners);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interruption)) throw error;
      if (!error.reached || attempt >= patience.attempts)
        throw new SourceFailure(error.message, { cause: error });
    }
    await delay(patience.retryMs * 2 ** (attempt - 1), undefined, { signal });
  }
}

async function fetchJsonOnce(url: URL, asking: Asking, manners: Manners) {
  const deadline = new Deadline(asking.signal);
  try {
    const response = await follow(url, {}, asking, manners, deadline);
    if (response.statusCode !== 200) throw refusal(response.statusCode ?? 0);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      deadline.expect(`no bytes for ${seconds(asking.patience.stallMs)}`, asking.patience.stallMs);
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MOST_JSON)
        throw new SourceFailure(`more than ${MOST_JSON} bytes where a list was expected`);
    }
    return { value: parsed(Buffer.concat(chunks).toString('utf8')), headers: response.headers };
  } catch (error) {
    throw deadline.missed ?? explained(error, deadline.reached);
  } finally {
    deadline.end();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SourceFailure('the answer is not JSON', { cause });
  }
}

/** Sends the request and follows its redirects. */
async function follow(
  start: URL,
  range: OutgoingHttpHeaders,
  transfer: Asking,
  manners: Manners,
  deadline: Deadline,
): Promise<IncomingMessage> {
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers = {
      'user-agent': 'percept',
      'accept-encoding': 'identity',
      ...range,
      ...manners.headers?.(url),
    };
    const response = await send(url, headers, transfer, deadline);
    manners.inspect?.(response, url);
    const {
      statusCode = 0,
      headers: { location },
    } = response;
    if (statusCode < 300 || statusCode >= 400 || location === undefined) return response;
    response.destroy();
    url = redirected(url, location);
  }
  throw new SourceFailure(`more than ${MAX_REDIRECTS} redirects`);
}

function send(
  url: URL,
  headers: OutgoingHttpHeaders,
  transfer: Asking,
  deadline: Deadline,
): Promise<IncomingMessage> {
  const { connectMs, stallMs } = transfer.patience;
  const secure = url.protocol === 'https:';
  const proxyEnv = isLoopback(url.hostname) ? undefined : proxyEnvironment(url, transfer.env);
  const agent = secure ? new https.Agent({ proxyEnv }) : new http.Agent({ proxyEnv });
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).get(url, { agent, headers, signal: deadline.signal });
    deadline.reached = false;
    deadline.expect(`no connection to ${url.host} within ${seconds(connectMs)}`, connectMs);
    const onConnected = () => {
      deadline.reached = true;
      deadline.expect(`no answer for ${seconds(stallMs)}`, stallMs);
    };
    request.on('socket', (socket) => {
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', onConnected);
      else onConnected(); // through a proxy
    });
    request.on('response', resolve);
    request.on('error', reject);
    deadline.signal.addEventListener('abort', reject); // a request that waits for its proxy emits no error
  });
}

/**
 * Prepares the partial file for the body of the response: continues it if the server sends the next range of the same
 * file, else restarts it. Returns the size of the whole file in bytes, if the server reports it.
 */
async function begin(
  response: IncomingMessage,
  asked: { readonly validator: string; readonly from: number } | undefined,
  { partial, reference, expected }: Transfer,
): Promise<number | undefined> {
  const { statusCode = 0, headers } = response;
  const [, first, whole] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (statusCode === 416 && Number(whole) === partial.size) return partial.size; // the file is complete already
  const isSame = asked && (validatorOf(headers) ?? asked.validator) === asked.validator;
  const continues = statusCode === 206 && isSame && Number(first) === asked.from;
  if (statusCode === 416 || (statusCode === 206 && !continues)) {
    await partial.restart();
    throw new Interruption('answered with another range than asked for', true);
  }
  if (statusCode !== 200 && statusCode !== 206) throw refusal(statusCode);
  const length = headers['content-length'] ?? expected.bytes;
  const total = continues ? Number(whole) : length === undefined ? undefined : Number(length);
  if (expected.bytes !== undefined && total !== expected.bytes) {
    throw new SourceFailure(`expected a file of ${expected.bytes} bytes, got ${total}`);
  }
  if (!continues) await partial.restart({ source: reference.text, validator: validatorOf(headers) });
  if (total !== undefined) await ensureSpace(partial.path, total - partial.size);
  return total;
}

function refusal(statusCode: number): Error {
  if (statusCode >= 500 || statusCode === 408 || statusCode === 429)
    return new Interruption(`HTTP ${statusCode}`, true);
  return new SourceFailure(`HTTP ${statusCode}`, { missing: statusCode === 404 || statusCode === 410 });
}

/** The validator for If-Range, which takes only strong ETags (RFC 9110, 13.1.5). */
function validatorOf({ etag, 'last-modified': date }: IncomingHttpHeaders): string | undefined {
  return etag?.startsWith('"') ? etag : date;
}

function redirected(from: URL, location: string): URL {
  const url = URL.parse(location, from.href);
  if (url && isSafeAddress(url) && (url.protocol === 'https:' || from.protocol === 'http:')) return url;
  const target = url?.host ? url.origin : (url?.protocol ?? JSON.stringify(location)); // data: has no host
  throw new SourceFailure(`redirected to ${target}, which is not https`);
}

/** Wraps errors of the connection as interruptions; returns others unchanged. */
function explained(error: unknown, reached: boolean): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof UserError || typeof code !== 'string') return error;
  return new Interruption(CAUSES[code] ?? (message || code), reached);
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

/** Ends a request if the next event does not arrive in time, or the user aborts. */
class Deadline {
  readonly signal: AbortSignal;
  reached = false; // whether the server, or a redirect target, accepted the connection
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(outer: AbortSignal | undefined) {
    const own = this.#controller.signal;
    this.signal = outer ? AbortSignal.any([outer, own]) : own;
  }

  /** Replaces the expected event; `otherwise` is the reason if it does not arrive. */
  expect(otherwise: string, ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(new Interruption(otherwise, this.reached)), ms);
  }

  /** The event that did not arrive in time. */
  get missed(): Interruption | undefined {
    return this.#controller.signal.aborted ? this.#controller.signal.reason : undefined;
  }

  /** Also closes the connection, if it is still open. */
  end(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}
