/** A stream of events over a WebSocket that comes back by itself when its connection is lost. */

import { APIRequestError, NetworkError } from './errors.js';
import { backoff, isWorthAnother, reasonForAbort } from './transport.js';
import { type WebSocketClass, type WebSocketLike, subprotocols, webSocketClass } from './websocket.js';

const REFUSED = 4401;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface StreamOptions {
  /** Ends the iteration with the signal's reason. What the server does goes on. */
  signal?: AbortSignal;
  /** How long to try to come back before giving up. Default 120,000. */
  reconnectMs?: number;
  /** After so long without a word the server is asked for one; after three times that the connection counts as lost. */
  heartbeatMs?: number;
}

/** Where and how to connect. */
export interface Link {
  url: string;
  key: string;
  maxRetries: number;
  timeoutMs: number;
  WebSocket?: WebSocketClass;
  log?: (line: string) => void;
}

export interface AnyFrame {
  event: string;
  data: any;
}

export abstract class LiveStream<Event> implements AsyncIterableIterator<Event> {
  readonly #link: Link;
  readonly #options: StreamOptions;
  readonly #events: Event[] = [];
  readonly #waiting: { resolve(result: IteratorResult<Event>): void; reject(error: unknown): void }[] = [];
  #socket: WebSocketLike | undefined;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #isOver = false;
  #error: { raised: unknown } | undefined;
  #failures = 0;
  #refusals = 0;
  #heardAt = 0;
  readonly #abort = () => this.fail(reasonForAbort(this.#options.signal!));

  constructor(link: Link, options: StreamOptions) {
    this.#link = link;
    this.#options = options;
    // A turn later, when the subclass is complete.
    void Promise.resolve().then(() => this.#start());
  }

  /** The frame that begins a connection, or goes on with what there is. */
  protected abstract opening(): Promise<object> | object;

  /** What a frame means: calls `emit`, `finish` or `fail`. */
  protected abstract take(frame: AnyFrame): void;

  // Iteration

  async next(): Promise<IteratorResult<Event>> {
    const event = this.#events.shift();
    if (event !== undefined) return { done: false, value: event };
    if (this.#error) {
      const { raised } = this.#error;
      this.#error = undefined;
      throw raised;
    }
    if (this.#isOver) return { done: true, value: undefined };
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Leaving a `for await` loop closes the connection, and stops nothing on the server. */
  async return(): Promise<IteratorResult<Event>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the stream on this side alone. */
  close(): void {
    this.#events.length = 0;
    this.finish();
  }

  protected get isOver(): boolean {
    return this.#isOver;
  }

  protected emit(event: Event): void {
    if (this.#isOver) return;
    const next = this.#waiting.shift();
    if (next) next.resolve({ done: false, value: event });
    else this.#events.push(event);
  }

  protected finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#drop();
    this.ended();
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  protected fail(error: unknown): void {
    if (this.#isOver) return;
    const next = this.#waiting.shift();
    if (next) next.reject(error);
    else this.#error = { raised: error };
    this.ended(error);
    this.finish();
  }

  /** Called once, or with the error first. */
  protected ended(_error?: unknown): void {}

  /** What a refused frame means: another attempt for what may pass, else the end. */
  protected refused(data: { status: number; code: string; message: string }): void {
    this.#refusals += 1;
    if (isWorthAnother(data.status) && this.#refusals <= this.#link.maxRetries) this.reconnect(data.code);
    else this.fail(new APIRequestError(data.status, data.code, data.message, data, undefined));
  }

  // The connection

  protected reconnect(why: string): void {
    this.#drop();
    this.#failures += 1;
    const { reconnectMs = 120_000 } = this.#options;
    const isHopeless = this.#heardAt
      ? Date.now() - this.#heardAt > reconnectMs
      : this.#failures > this.#link.maxRetries;
    if (isHopeless) return this.fail(new NetworkError(`The connection to ${this.#link.url} was lost: ${why}`));
    const pause = backoff(this.#failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#link.log?.(`${this.#link.url} lost (${why}), again in ${Math.round(pause)} ms`);
    this.#timers.push(setTimeout(() => void this.#connect(), pause));
  }

  #start(): Promise<void> | void {
    const { signal } = this.#options;
    if (signal?.aborted) return this.#abort();
    if (!this.#isOver) signal?.addEventListener('abort', this.#abort);
    return this.#connect();
  }

  async #connect(): Promise<void> {
    if (this.#isOver) return;
    let socket: WebSocketLike;
    try {
      const Socket = await webSocketClass(this.#link.WebSocket);
      if (this.#isOver) return;
      socket = new Socket(this.#link.url, subprotocols(this.#link.key));
    } catch (error) {
      return this.fail(error);
    }
    this.#socket = socket;
    let why = 'no connection';
    const lost = (code?: number) => {
      if (socket !== this.#socket) return;
      if (code === REFUSED) return this.fail(refusal());
      this.reconnect(code && code !== 1006 ? `closed with ${code}` : why);
    };
    socket.onopen = () => void this.#begin(socket);
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#hear(data);
    };
    socket.onclose = ({ code }) => lost(code);
    socket.onerror = (event: { message?: string }) => {
      if (event?.message) why = event.message;
      // A close follows; where it does not, this is the end of the connection as well.
      setTimeout(() => lost(), 0);
    };
    this.#timers.push(setTimeout(() => lost(), this.#link.timeoutMs));
  }

  async #begin(socket: WebSocketLike): Promise<void> {
    try {
      const opening = await this.opening();
      if (socket !== this.#socket) return;
      this.#clearTimers();
      this.#watch(socket);
      socket.send(JSON.stringify(opening));
    } catch (error) {
      this.fail(error);
    }
  }

  #hear(text: unknown): void {
    let frame: AnyFrame;
    try {
      frame = JSON.parse(String(text));
    } catch {
      return this.reconnect('an answer that is no JSON');
    }
    this.#heardAt = Date.now();
    // A connection that only ever says where it stands, and is lost again, is made anew more and more slowly.
    if (frame.event !== 'synced' && frame.event !== 'pong') this.#failures = 0;
    this.take(frame);
  }

  /** A connection can die without a word: nobody would hear of it. */
  #watch(socket: WebSocketLike): void {
    const { heartbeatMs = 15_000 } = this.#options;
    const began = Date.now();
    const look = () => {
      if (socket !== this.#socket) return;
      const silence = Date.now() - Math.max(this.#heardAt, began);
      if (silence >= 3 * heartbeatMs) return this.reconnect('silence');
      if (silence >= heartbeatMs) socket.send('{"type":"ping"}');
      this.#timers = [setTimeout(look, heartbeatMs)];
    };
    this.#timers.push(setTimeout(look, heartbeatMs));
  }

  #drop(): void {
    this.#clearTimers();
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    try {
      socket.close();
    } catch {
      // It was not open yet; nobody hears of it any more.
    }
  }

  #clearTimers(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }
}

function refusal(): APIRequestError {
  return new APIRequestError(401, 'authentication_failed', 'The key is not valid.', undefined, undefined);
}
