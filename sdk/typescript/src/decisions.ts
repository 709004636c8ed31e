/** What waits for a person: a yes or no to a tool call, an answer to a question. */

import type * as t from './server-types.js';
import { type EitherCase, toWire } from './names.js';
import type { RequestOptions, Transport } from './transport.js';

export class Decisions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What waits for one's decision, the longest waiting first. */
  async approvals(request?: RequestOptions): Promise<t.PendingApprovals> {
    return this.#transport.get('/approvals', {}, request);
  }

  async approval(id: string, request?: RequestOptions): Promise<t.Approval> {
    return this.#transport.get(`/approvals/${id}`, {}, request);
  }

  /** The first decision counts. Given the approval itself, the yes is for exactly what it shows. */
  async approve(approval: string | t.Approval, options?: EitherCase<t.ApproveOptions>, request?: RequestOptions): Promise<t.Approval> {
    return this.#decide(approval, 'approve', options, request);
  }

  async deny(approval: string | t.Approval, options?: EitherCase<t.DenyOptions>, request?: RequestOptions): Promise<t.Approval> {
    return this.#decide(approval, 'deny', options, request);
  }

  /** Open ones first, then the newest. */
  async questions(request?: RequestOptions): Promise<t.Questions> {
    return this.#transport.get('/questions', {}, request);
  }

  async answer(question: string | t.Question, answer: string, request?: RequestOptions): Promise<t.Question> {
    return this.#transport.post(`/questions/${idOf(question)}/answer`, { answer }, request);
  }

  #decide(approval: string | t.Approval, verb: string, options: object = {}, request?: RequestOptions): Promise<t.Approval> {
    const shown = typeof approval === 'string' ? {} : { digest: approval.digest };
    return this.#transport.post(`/approvals/${idOf(approval)}/${verb}`, { ...shown, ...toWire(options) }, request);
  }
}

function idOf(subject: string | { id: string }): string {
  return typeof subject === 'string' ? subject : subject.id;
}
