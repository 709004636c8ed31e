/** Talking with the agent: a message and its answer, or the answer as it is written. */

import { answerOf } from './answers.js';
import { ChatStream } from './chat-stream.js';
import { check, text } from './checks.js';
import type { Decisions } from './decisions.js';
import { TimeoutError } from './errors.js';
import { newId } from './ids.js';
import type { Link, StreamOptions } from './live-stream.js';
import { type EitherCase, toWire } from './names.js';
import type * as t from './server-types.js';
import type { RequestOptions, Transport } from './transport.js';

export class Chat {
  readonly #transport: Transport;
  readonly #decisions: Decisions;
  readonly #link: Link;
  readonly #waitMs: number;

  constructor(transport: Transport, decisions: Decisions, link: Link, waitMs: number) {
    this.#transport = transport;
    this.#decisions = decisions;
    this.#link = link;
    this.#waitMs = waitMs;
  }

  /** The answer, when it is complete. However long that takes, unless `timeoutMs` is given; going away stops nothing. */
  async send(message: string | EitherCase<t.ChatMessageOptions>, request: RequestOptions = {}): Promise<t.ChatAnswer> {
    const body = bodyOf(message);
    const options = { timeoutMs: this.#waitMs, idempotencyKey: newId(), ...request };
    for (;;) {
      try {
        const answer = await this.#transport.post<t.ChatAnswer | t.Accepted>('/chat/message', body, options);
        return 'response' in answer ? answer : await answerOf(this.#transport, answer, request);
      } catch (error) {
        // By its key the server knows the message: this waits on for the answer to the first one.
        if (!(error instanceof TimeoutError) || request.timeoutMs !== undefined) throw error;
      }
    }
  }

  /**
   * The answer, event by event. A lost connection is made again, and the events go on where they were. The message is
   * accepted once, however often it has to be sent.
   */
  stream(message: string | EitherCase<t.ChatMessageOptions>, options: StreamOptions = {}): ChatStream {
    const { conversation_id, ...body } = bodyOf(message);
    const named = {
      ...body,
      session_id: String(body.session_id ?? conversation_id ?? `chat-${newId()}`),
      client_message_id: String(body.client_message_id ?? newId()),
    };
    return new ChatStream(named, this.#transport, this.#decisions, this.#link, options);
  }

  async run(runId: string, request?: RequestOptions): Promise<t.Run> {
    return this.#transport.get(`/runs/${runId}`, {}, request);
  }

  /** Asks for the end of a run; its status is `cancelling` until its worker has stopped. */
  async cancel(runId: string, request?: RequestOptions): Promise<t.Run> {
    return this.#transport.post(`/runs/${runId}/cancel`, {}, request);
  }
}

function bodyOf(message: string | object): Record<string, unknown> {
  const body = toWire(typeof message === 'string' ? { text: message } : message);
  check(body, { text: text(Infinity), session_id: text(128), client_message_id: text(128) }, ['text']);
  return body;
}
