/** Requests over fetch: time limits, attempts, and errors as classes. */

import type { Fetch } from './config.js';
import { APIRequestError, NetworkError, PenguinError, TimeoutError } from './errors.js';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/** Who is asked to wait longer than this is told, instead of waiting. */
const LONGEST_RETRY_AFTER_MS = 60_000;

export interface RequestOptions {
  /** Gives up at once; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** In place of the client's, for each attempt. 0: as long as it takes. */
  timeoutMs?: number;
  /** Sent as `Idempotency-Key`: the same request again gets the first answer. */
  idempotencyKey?: string;
}

interface TransportConfig {
  base: string;
  headers: Record<string, string>;
  timeoutMs: number;
  maxRetries: number;
  log?: (line: string) => void;
  fetch: Fetch;
}

export interface Answer {
  status: number;
  body: unknown;
}

export class Transport {
  // Private in the language's own sense: a client that is logged shows no key.
  readonly #config: TransportConfig;

  constructor(config: TransportConfig) {
    this.#config = config;
  }

  async get<T>(path: string, query: Record<string, unknown> = {}, options: RequestOptions = {}): Promise<T> {
    return (await this.send('GET', path + queryString(query), undefined, options, true)).body as T;
  }

  /** Sent once, as doing it twice may do harm; unless `again` says that the server knows the repetition. */
  async post<T>(path: string, body: unknown = {}, options: RequestOptions = {}, again = false): Promise<T> {
    return (await this.send('POST', path, body, options, again)).body as T;
  }

  async patch<T>(path: string, body: unknown, options: RequestOptions = {}): Promise<T> {
    return (await this.send('PATCH', path, body, options, false)).body as T;
  }

  async delete<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return (await this.send('DELETE', path, undefined, options, false)).body as T;
  }

  async send(method: string, path: string, body: unknown, options: RequestOptions, again: boolean): Promise<Answer> {
    const tries = again ? this.#config.maxRetries + 1 : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(method, path, body, options, attempt);
      } catch (error) {
        const wait = attempt < tries ? pauseBefore(attempt, error) : undefined;
        if (wait === undefined) throw error;
        this.#config.log?.(`again in ${Math.round(wait)} ms`);
        await sleep(wait, options.signal);
      }
    }
  }

  async #attempt(method: string, path: string, body: unknown, options: RequestOptions, attempt: number): Promise<Answer> {
    const { base, fetch, log } = this.#config;
    const began = Date.now();
    const say = (outcome: unknown) =>
      log?.(`${method} ${base}${path.split('?')[0]} -> ${outcome}, ${Date.now() - began} ms, attempt ${attempt}`);
    const timeoutMs = options.timeoutMs ?? this.#config.timeoutMs;
    const limit = new Limit(timeoutMs, options.signal);
    try {
      const response = await fetch(base + path, {
        method,
        headers: this.#headers(body, options),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: limit.signal,
        redirect: 'error', // keys go nowhere else
      });
      const content = await response.text();
      say(response.status);
      return answerOf(response.status, response.headers, content);
    } catch (error) {
      if (error instanceof PenguinError) throw error;
      say(limit.isOver ? 'timeout' : 'network error');
      throwIfAborted(options.signal);
      if (limit.isOver) throw new TimeoutError(timeoutMs);
      throw new NetworkError(`${method} ${base}${path.split('?')[0]}: ${reasonOf(error)}`, { cause: error });
    } finally {
      limit.clear();
    }
  }

  #headers(body: unknown, options: RequestOptions): Record<string, string> {
    return {
      Accept: 'application/json',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(options.idempotencyKey ? { 'Idempotency-Key': options.idempotencyKey } : {}),
      ...this.#config.headers,
    };
  }
}

/** Aborts when the time is over or the caller's signal is. */
class Limit {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #abort = () => this.#controller.abort();
  isOver = false;

  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    throwIfAborted(outer);
    this.#outer = outer;
    outer?.addEventListener('abort', this.#abort);
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.isOver = true;
        this.#abort();
      }, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#abort);
  }
}

function answerOf(status: number, headers: { get(name: string): string | null }, content: string): Answer {
  let body: unknown = content;
  let isJson = false;
  try {
    body = JSON.parse(content);
    isJson = true;
  } catch {
    // A page of something in between; it is told as it is.
  }
  if (status >= 200 && status < 300 && isJson) return { status, body };
  const said = (isJson && typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof said.code === 'string' ? said.code : isJson || status >= 400 ? `http_${status}` : 'invalid_answer';
  const sentence = said.message ?? said.detail ?? `The server answered ${status}.`;
  const requestId = said.request_id ?? headers.get('X-Request-Id') ?? undefined;
  const wait = retryAfterMs(headers.get('Retry-After'));
  throw new APIRequestError(status, code, String(sentence), body, requestId as string | undefined, wait);
}

/** How long to wait before another attempt; undefined when there is to be none. */
function pauseBefore(attempt: number, error: unknown): number | undefined {
  const pause = backoff(attempt);
  if (error instanceof NetworkError || error instanceof TimeoutError) return pause;
  if (!(error instanceof APIRequestError) || !isWorthAnother(error.status)) return undefined;
  const asked = error.retryAfterMs ?? 0;
  return asked > LONGEST_RETRY_AFTER_MS ? undefined : Math.max(pause, asked);
}

export function isWorthAnother(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** Doubles each time; half of it by chance, so that clients that failed together do not come back together. */
export function backoff(attempt: number, first = FIRST_PAUSE_MS, longest = LONGEST_PAUSE_MS): number {
  return Math.min(first * 2 ** (attempt - 1), longest) * (0.5 + Math.random() / 2);
}

/** Of seconds or a date. */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
  throwIfAborted(signal);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonForAbort(signal);
}

export function reasonForAbort(signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error('This was aborted.'), { name: 'AbortError' });
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string };
  return cause?.code || cause?.message || message || 'no connection';
}

function queryString(query: Record<string, unknown>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
  return pairs.length ? `?${pairs.join('&')}` : '';
}
