/** One answer of the agent, event by event. */

import { answerText } from './answers.js';
import type { AnyFrame, Link, StreamOptions } from './live-stream.js';
import { APIRequestError, PenguinError } from './errors.js';
import { LiveStream } from './live-stream.js';
import type { ChatEvent, Complete } from './events.js';
import type { Decisions } from './decisions.js';
import type { Approval, Question, ApproveOptions, DenyOptions, Run, ConversationDetail } from './server-types.js';
import type { EitherCase } from './names.js';
import type { Transport } from './transport.js';
import { Gap, Texts } from './texts.js';

/** Events of one run. The message is stored and answered whether or not anybody listens. */
export class ChatStream extends LiveStream<ChatEvent> {
  readonly sessionId: string;
  readonly #message: { client_message_id: string; session_id: string };
  readonly #transport: Transport;
  readonly #decisions: Decisions;
  readonly #texts = new Texts();
  #runId: string | undefined;
  #cursor: string | undefined;
  #complete: Complete | undefined;
  #cancelling: { resolve(): void; reject(error: unknown): void }[] = [];
  #settle!: { resolve(complete: Complete): void; reject(error: unknown): void };
  readonly #result = new Promise<Complete>((resolve, reject) => (this.#settle = { resolve, reject }));

  constructor(
    message: { client_message_id: string; session_id: string },
    transport: Transport,
    decisions: Decisions,
    link: Link,
    options: StreamOptions,
  ) {
    super(link, options);
    this.#message = message;
    this.sessionId = message.session_id;
    this.#transport = transport;
    this.#decisions = decisions;
    this.#result.catch(() => {}); // who waits for it hears of it; nobody has to
  }

  /** Known from the first event on. */
  get runId(): string | undefined {
    return this.#runId;
  }

  /** The text so far, without what was void. */
  get text(): string {
    return this.#texts.all('token');
  }

  get reasoning(): string {
    return this.#texts.all('reasoning');
  }

  /** The run's last event; a failed or cancelled run has one, too. */
  async result(): Promise<Complete> {
    return this.#result;
  }

  /** Asks for the end of the run; the stream goes on until it has come. */
  async cancel(): Promise<void> {
    if (this.isOver) return;
    if (!this.#runId) await new Promise<void>((resolve, reject) => this.#cancelling.push({ resolve, reject }));
    if (!this.isOver) await this.#transport.post(`/runs/${this.#runId}/cancel`);
  }

  approve(approval: string | Approval, options?: EitherCase<ApproveOptions>): Promise<Approval> {
    return this.#decisions.approve(approval, options);
  }

  deny(approval: string | Approval, options?: EitherCase<DenyOptions>): Promise<Approval> {
    return this.#decisions.deny(approval, options);
  }

  answer(question: string | Question, answer: string): Promise<Question> {
    return this.#decisions.answer(question, answer);
  }

  protected opening(): object {
    if (!this.#runId || !this.#cursor) return this.#message;
    return { type: 'attach', session_id: this.sessionId, after: this.#cursor, parts: this.#texts.offsets() };
  }

  protected take({ event, data }: AnyFrame): void {
    if (event === 'synced' || event === 'pong') return;
    if (event === 'replay_gap' || event === 'cursor_reset') return void this.#readTheEnd();
    // A run's own error says whether it may pass; a refusal may name a run as well, the one that is in its way.
    if (event === 'error' && !('retryable' in data)) return this.refused(data);
    if (!data.run_id) return;
    this.#runId ??= data.run_id as string;
    for (const { resolve } of this.#cancelling.splice(0)) resolve();
    // The socket hears the whole conversation once it has come back; the cursor is one of all of it.
    if (data.run_id === this.#runId) this.#takeOwn(event, data);
    if (data.cursor) this.#cursor = data.cursor;
  }

  #takeOwn(event: string, data: any): void {
    try {
      const fresh = this.#fresh(event, data);
      if (fresh) this.emit({ event, data: fresh } as ChatEvent);
    } catch (error) {
      if (!(error instanceof Gap)) throw error;
      return this.refused({ status: 503, code: 'gap', message: error.message });
    }
    if (event === 'complete') this.#end(data);
  }

  /** The data, without text that was there already; undefined where there is nothing new. */
  #fresh(event: string, data: any): object | undefined {
    if (event === 'token' || event === 'reasoning') {
      const piece = this.#texts.take(event, data.part_id, data.token, data.offset);
      return piece && { ...data, token: piece.text, offset: piece.offset };
    }
    if (event === 'tool' && data.phase === 'progress') {
      const piece = this.#texts.take('output', data.tool_call_id, data.output, data.offset);
      return piece && { ...data, output: piece.text, offset: piece.offset };
    }
    if (event === 'tool' && data.phase === 'end') this.#texts.forget(data.tool_call_id);
    if (event === 'status' && data.status === 'interrupted') this.#texts.drop(data.part_id);
    return data;
  }

  #end(complete: Complete): void {
    this.#complete = complete;
    this.finish();
  }

  protected override ended(error?: unknown): void {
    if (this.#complete) this.#settle.resolve(this.#complete);
    else this.#settle.reject(error ?? new PenguinError('The stream was closed before the end.'));
    for (const { resolve, reject } of this.#cancelling.splice(0)) error ? reject(error) : resolve();
  }

  /** The log is not kept so far back, or is another one: the run has ended long ago, and its message tells the rest. */
  async #readTheEnd(): Promise<void> {
    try {
      const run = await this.#transport.get<Run>(`/runs/${this.#runId}`);
      if (!run.finished_at) return this.refused({ status: 503, code: 'replay_gap', message: 'The log has a gap.' });
      const session = await this.#transport.get<ConversationDetail>(
        `/conversations/${encodeURIComponent(this.sessionId)}`,
        { limit: 1000 },
      );
      const answer = session.messages.find(({ id }) => id === run.answer_message_id);
      for (const piece of answerText(answer)) {
        const part = { session_id: this.sessionId, run_id: run.id, part_id: piece.id, token: piece.text, offset: 0 };
        this.#takeOwn(piece.kind, part);
      }
      this.#takeOwn('complete', completeOf(run, answer?.content ?? '', this.#cursor ?? ''));
    } catch (error) {
      const isGone = error instanceof APIRequestError && error.status === 404;
      if (isGone || !this.isOver) this.fail(error);
    }
  }
}

function completeOf(run: Run, response: string, cursor: string): Complete {
  return {
    session_id: run.session_id,
    conversation_id: run.session_id,
    run_id: run.id,
    message_id: run.answer_message_id,
    cursor,
    response,
    action_results: [],
    status: run.status,
    aborted: run.status === 'cancelled' || run.status === 'timed_out',
    usage: run.usage as unknown as Complete['usage'],
    ...(run.error ? { error: run.error } : {}),
  };
}
