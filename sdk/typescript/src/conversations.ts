/** Conversations, context files and usage. */

import { check, text } from './checks.js';
import { type EitherCase, toWire } from './names.js';
import type * as t from './server-types.js';
import type { RequestOptions, Transport } from './transport.js';

export class Conversations {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The last active first. */
  async list(options: EitherCase<t.ConversationListOptions> = {}, request?: RequestOptions): Promise<t.ConversationPage> {
    return this.#transport.get('/conversations', toWire(options), request);
  }

  async create(options: EitherCase<t.ConversationCreateOptions> = {}, request?: RequestOptions): Promise<t.ConversationCreated> {
    return this.#transport.post('/conversations/create', toWire(options), request);
  }

  /** With its newest messages, oldest first. */
  async get(sessionId: string, options: EitherCase<t.ConversationGetOptions> = {}, request?: RequestOptions): Promise<t.ConversationDetail> {
    return this.#transport.get(address(sessionId), toWire(options), request);
  }

  async update(sessionId: string, changes: EitherCase<t.ConversationChanges>, request?: RequestOptions): Promise<t.Conversation> {
    return this.#transport.patch(address(sessionId), toWire(changes), request);
  }

  /** With everything in it; `cancelling` while a run has still to stop: ask again. */
  async delete(sessionId: string, request?: RequestOptions): Promise<t.ConversationDeleted> {
    return this.#transport.delete(address(sessionId), request);
  }
}

export class ContextFiles {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(request?: RequestOptions): Promise<t.ContextFiles> {
    return this.#transport.get('/context-files', {}, request);
  }

  /** Puts a file into a conversation; without `session_id` into a new one. */
  async load(options: EitherCase<t.ContextFileLoadOptions>, request?: RequestOptions): Promise<t.ContextFileLoaded> {
    const body = toWire(options);
    check(body, { file_path: text(4_096) }, ['file_path']);
    return this.#transport.post('/context-files/load', body, request);
  }
}

export class UsageReports {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One's tokens and cost, by model. */
  async get(options: EitherCase<t.UsageOptions> = {}, request?: RequestOptions): Promise<t.TokenUsage> {
    return this.#transport.get('/token-usage', toWire(options), request);
  }

  /** Of a conversation, and how full its context window is. */
  async session(sessionId: string, request?: RequestOptions): Promise<t.SessionTokenUsage> {
    return this.#transport.get(`/sessions/${encodeURIComponent(sessionId)}/token-usage`, {}, request);
  }
}

function address(sessionId: string): string {
  return `/conversations/${encodeURIComponent(sessionId)}`;
}
