/** One execution, event by event. */

import type { Decisions } from './decisions.js';
import { PenguinError } from './errors.js';
import type { TaskEnd, TaskEvent } from './events.js';
import { type AnyFrame, type Link, LiveStream, type StreamOptions } from './live-stream.js';
import type { EitherCase } from './names.js';
import type { Approval, ApproveOptions, DenyOptions, Question } from './server-types.js';
import type { Tasks } from './tasks.js';
import { Gap, Texts } from './texts.js';

const ENDS = ['task_completed', 'task_failed', 'task_cancelled', 'time_limit_reached'];

/** Events of one execution. It goes on whether or not anybody watches. */
export class TaskStream extends LiveStream<TaskEvent> {
  readonly #start: () => Promise<string>;
  readonly #tasks: Tasks;
  readonly #decisions: Decisions;
  readonly #texts = new Texts();
  readonly #messages = new Set<string>();
  #starting: Promise<string> | undefined;
  #executionId: string | undefined;
  #cursor: string | undefined;
  #end: TaskEnd | undefined;
  #settle!: { resolve(end: TaskEnd): void; reject(error: unknown): void };
  readonly #result = new Promise<TaskEnd>((resolve, reject) => (this.#settle = { resolve, reject }));

  constructor(start: () => Promise<string>, tasks: Tasks, decisions: Decisions, link: Link, options: StreamOptions) {
    super(link, options);
    this.#start = start;
    this.#tasks = tasks;
    this.#decisions = decisions;
    this.#result.catch(() => {}); // who waits for it hears of it; nobody has to
  }

  get executionId(): string | undefined {
    return this.#executionId;
  }

  /** The text so far, without what was void. */
  get text(): string {
    return this.#texts.all('token');
  }

  /** The last event's data: how the execution has ended. */
  async result(): Promise<TaskEnd> {
    return this.#result;
  }

  /** Asks for the end of the execution; the stream goes on until it has come. */
  async cancel(): Promise<void> {
    if (!this.isOver) await this.#tasks.cancel(await this.#started());
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

  /** Started over REST, once: a frame that is lost on the way could not be repeated. */
  #started(): Promise<string> {
    this.#starting ??= this.#start().then((id) => (this.#executionId = id));
    return this.#starting;
  }

  protected async opening(): Promise<object> {
    const execution_id = await this.#started();
    const place = this.#cursor ? { after: this.#cursor, parts: this.#texts.offsets() } : {};
    return { type: 'attach', execution_id, ...place };
  }

  protected take({ event, data }: AnyFrame): void {
    if (event === 'synced' || event === 'pong' || event === 'replay_gap' || event === 'cursor_reset') return;
    if (event === 'error') return this.refused(data);
    try {
      const fresh = this.#fresh(event, data);
      if (fresh) this.emit({ event, data: fresh } as TaskEvent);
    } catch (error) {
      if (!(error instanceof Gap)) throw error;
      return this.refused({ status: 503, code: 'gap', message: error.message });
    }
    if (data.cursor) this.#cursor = data.cursor;
    if (!ENDS.includes(event)) return;
    this.#end = data;
    this.finish();
  }

  #fresh(event: string, data: any): object | undefined {
    if (event === 'token') {
      const piece = this.#texts.take('token', data.part_id, data.token, data.offset);
      return piece && { ...data, token: piece.text, offset: piece.offset };
    }
    if (event === 'tool' && data.phase === 'progress') {
      const piece = this.#texts.take('output', data.tool_call_id, data.output, data.offset);
      return piece && { ...data, output: piece.text, offset: piece.offset };
    }
    if (event === 'tool' && data.phase === 'end') this.#texts.forget(data.tool_call_id);
    if (event === 'task_progress' && data.status === 'interrupted') this.#texts.drop(data.part_id);
    if (event !== 'message') return data;
    // It has no cursor, so it may come again.
    if (this.#messages.has(data.message_id)) return undefined;
    this.#messages.add(data.message_id);
    return data;
  }

  protected override ended(error?: unknown): void {
    if (this.#end) this.#settle.resolve(this.#end);
    else this.#settle.reject(error ?? new PenguinError('The stream was closed before the end.'));
  }
}
