/** Tasks, and the executions in which agents work on them. */

import type { Decisions } from './decisions.js';
import { TimeoutError } from './errors.js';
import type { Link, StreamOptions } from './live-stream.js';
import { type EitherCase, toWire } from './names.js';
import { TaskStream } from './task-stream.js';
import type * as t from './task-types.js';
import { type RequestOptions, type Transport, sleep } from './transport.js';

const FIRST_LOOK_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export interface WaitOptions {
  signal?: AbortSignal;
  /** Raises TimeoutError; the execution goes on. Without it: as long as it takes. */
  timeoutMs?: number;
  /** Also come back when it waits for a person or is paused. */
  untilWaiting?: boolean;
}

export class Tasks {
  readonly #transport: Transport;
  readonly #decisions: Decisions;
  readonly #link: Link;

  constructor(transport: Transport, decisions: Decisions, link: Link) {
    this.#transport = transport;
    this.#decisions = decisions;
    this.#link = link;
  }

  async list(options: EitherCase<t.TaskListOptions> = {}, request?: RequestOptions): Promise<t.TaskPage> {
    return this.#transport.get('/tasks', toWire(options), request);
  }

  async create(options: EitherCase<t.TaskOptions>, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.post('/tasks', toWire(options), request);
  }

  async get(taskId: string, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.get(`/tasks/${taskId}`, {}, request);
  }

  async update(taskId: string, changes: EitherCase<t.TaskChanges>, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.patch(`/tasks/${taskId}`, toWire(changes), request);
  }

  async delete(taskId: string, request?: RequestOptions): Promise<t.Removed> {
    return this.#transport.delete(`/tasks/${taskId}`, request);
  }

  /** Takes a task: a person works on it, without an execution. */
  async start(taskId: string, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.post(`/tasks/${taskId}/start`, {}, request);
  }

  /** Agrees with a result, or says that the task is done. */
  async complete(taskId: string, options: { result?: string } = {}, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.post(`/tasks/${taskId}/complete`, options, request);
  }

  /** The next execution is told the feedback. */
  async reopen(taskId: string, options: { feedback?: string } = {}, request?: RequestOptions): Promise<t.Task> {
    return this.#transport.post(`/tasks/${taskId}/reopen`, options, request);
  }

  /** Makes a task and puts an agent to work on it. Answers at once; see `wait` and `stream`. */
  async execute(options: EitherCase<t.ExecuteOptions>, request?: RequestOptions): Promise<t.Started> {
    return this.#transport.post('/tasks/execute', toWire(options), request);
  }

  /** Puts an agent to work on a stored task. */
  async executeStored(taskId: string, options: EitherCase<t.ExecutionOptions> = {}, request?: RequestOptions): Promise<t.Started> {
    return this.#transport.post(`/tasks/${taskId}/execute`, toWire(options), request);
  }

  /** The execution when it has ended, looked at again and again: no connection has to last. */
  async wait(started: string | { execution_id: string }, options: WaitOptions = {}): Promise<t.ExecutionDetail> {
    const { signal, timeoutMs = 0, untilWaiting = false } = options;
    const began = Date.now();
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
      const found = await this.execution(idOf(started), { signal });
      const stands = found.status === 'waiting' || found.status === 'paused';
      if (found.ended_at || (untilWaiting && stands)) return found;
      const left = timeoutMs ? timeoutMs - (Date.now() - began) : Infinity;
      if (left <= 0) throw new TimeoutError(timeoutMs);
      await sleep(Math.min(pause, left), signal);
    }
  }

  /**
   * What happens, event by event, until the end: of an execution that is under way, or of one that is started here.
   * A lost connection is made again, and the events go on where they were.
   */
  stream(what: string | { execution_id: string } | EitherCase<t.ExecuteOptions>, options: StreamOptions = {}): TaskStream {
    const isKnown = typeof what === 'string' || 'execution_id' in what;
    const executionId = isKnown ? async () => idOf(what) : async () => (await this.execute(what)).execution_id;
    return new TaskStream(executionId, this, this.#decisions, this.#link, options);
  }

  async executions(options: EitherCase<t.ExecutionListOptions> = {}, request?: RequestOptions): Promise<t.ExecutionPage> {
    return this.#transport.get('/executions', toWire(options), request);
  }

  async execution(executionId: string, request?: RequestOptions): Promise<t.ExecutionDetail> {
    return this.#transport.get(`/executions/${executionId}`, {}, request);
  }

  /** Asks for the end of an execution. */
  async cancel(executionId: string, request?: RequestOptions): Promise<t.Execution> {
    return this.#transport.post(`/executions/${executionId}/cancel`, {}, request);
  }

  async pause(executionId: string, request?: RequestOptions): Promise<t.Execution> {
    return this.#transport.post(`/executions/${executionId}/pause`, {}, request);
  }

  async resume(executionId: string, options: EitherCase<t.ResumeOptions> = {}, request?: RequestOptions): Promise<t.Execution> {
    return this.#transport.post(`/executions/${executionId}/resume`, toWire(options), request);
  }

  /** Answers what the agent of a task has asked. */
  async clarify(taskId: string, options: EitherCase<t.ClarificationOptions>, request?: RequestOptions): Promise<t.Execution> {
    return this.#transport.post(`/tasks/${taskId}/clarification/resume`, toWire(options), request);
  }
}

function idOf(started: string | { execution_id: string }): string {
  return typeof started === 'string' ? started : started.execution_id;
}
