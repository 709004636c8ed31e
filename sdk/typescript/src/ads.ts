/** The ads marketplace: what fits a user's words, what came of it, sessions with businesses. */

import * as limits from './ads-checks.js';
import type * as t from './ads-types.js';
import { check } from './checks.js';
import { ValidationError } from './errors.js';
import { newId } from './ids.js';
import { type EitherCase, toWire } from './names.js';
import type { RequestOptions, Transport } from './transport.js';

export class Ads {
  readonly sessions: Sessions;
  readonly #transport: Transport;
  readonly #log: ((line: string) => void) | undefined;
  #agentId: Promise<string> | undefined;
  readonly #reports = new Set<Promise<void>>();

  constructor(transport: Transport, agentId?: string, log?: (line: string) => void) {
    this.#transport = transport;
    this.#log = log;
    if (agentId) this.#agentId = Promise.resolve(agentId);
    this.sessions = new Sessions(transport);
  }

  async decide(options: EitherCase<t.DecideOptions>, request?: RequestOptions): Promise<t.Decision> {
    const body = toWire(options);
    check(body, limits.DECIDE, ['context']);
    return this.#transport.post('/decide', body, request);
  }

  async decideFromContext(options: EitherCase<t.DecideOptions>, request?: RequestOptions): Promise<t.Decision> {
    const decision = await this.decide(options, request);
    for (const unit of decision.units) this.#reportImpression(unit);
    return decision;
  }

  async trackEvent(options: EitherCase<t.EventOptions>, request?: RequestOptions): Promise<t.EventReceipt> {
    const given = toWire(options);
    check(given, limits.EVENT, ['event_type']);
    if (!given.unit_id && !given.tracking_token) {
      throw new ValidationError('unit_id or tracking_token is required.', 'unit_id');
    }
    // One id for all attempts: that is by what the server knows a repetition.
    const event = { event_id: `evt_${newId()}`, occurred_at: new Date().toISOString(), ...given };
    const agent_id = given.agent_id ?? (await this.#ownAgentId());
    return this.#transport.post('/event', { ...event, agent_id }, request, true);
  }

  async sendFeedback(options: EitherCase<t.FeedbackOptions>, request?: RequestOptions): Promise<t.FeedbackReceipt> {
    const body = toWire(options);
    check(body, limits.FEEDBACK, ['tracking_token']);
    if (!body.reaction && !String(body.user_response ?? '').trim()) {
      throw new ValidationError('reaction or user_response is required.', 'reaction');
    }
    return this.#transport.post('/feedback', body, request);
  }

  async logServiceResult(options: EitherCase<t.ServiceResultOptions>, request?: RequestOptions): Promise<t.ServiceResult> {
    const body = toWire(options);
    check(body, limits.SERVICE_RESULT, ['transaction_id', 'success']);
    return this.#transport.post('/service-result', body, request);
  }

  async rateBusiness(options: EitherCase<t.RatingOptions>, request?: RequestOptions): Promise<t.RatingReceipt> {
    const body = toWire(options);
    check(body, limits.RATING, ['tracking_token', 'ad_unit_id', 'rating']);
    return this.#transport.post('/rate-business', body, request);
  }

  async signup(options: EitherCase<t.SignupOptions>, request?: RequestOptions): Promise<t.Agent> {
    const body = toWire(options);
    check(body, limits.SIGNUP, ['owner_email', 'agent_name']);
    return this.#transport.post('/agent-signup', { sdk_type: 'typescript', ...body }, request);
  }

  async search(options: EitherCase<t.SearchOptions>, request?: RequestOptions): Promise<t.SearchResult> {
    const body = toWire(options);
    check(body, limits.SEARCH, ['query']);
    return this.#transport.post('/api-v1/search', body, request);
  }

  async policy(request?: RequestOptions): Promise<t.Policy> {
    return this.#transport.get('/policy', {}, request);
  }

  async categories(options: EitherCase<t.CategoriesOptions> = {}, request?: RequestOptions): Promise<t.Categories> {
    const query = toWire(options);
    check(query, limits.CATEGORIES);
    return this.#transport.get('/categories', query, request);
  }

  async balance(request?: RequestOptions): Promise<t.Balance> {
    return this.#transport.get('/balance', {}, request);
  }

  /** Until the impressions that are being reported have arrived, or have failed for good. */
  async flush(): Promise<void> {
    await Promise.all(this.#reports);
  }

  /** Beside the ad, which waits for nothing and fails for nothing that happens here. */
  #reportImpression(unit: t.AdUnit): void {
    const { tracking_token, _meta } = unit;
    const report = this.trackEvent({ event_type: 'impression', unit_id: _meta.unit_id, tracking_token }).then(
      () => undefined,
      (error: Error) => this.#log?.(`The impression of ${_meta.unit_id} was not reported: ${error.message}`),
    );
    this.#reports.add(report);
    void report.then(() => this.#reports.delete(report));
  }

  async #ownAgentId(): Promise<string> {
    this.#agentId ??= this.balance().then(({ agent_id }) => agent_id);
    const asked = this.#agentId;
    try {
      return await asked;
    } catch (error) {
      if (this.#agentId === asked) this.#agentId = undefined; // the next one asks again
      throw error;
    }
  }
}

/** A user's session with a business, begun with a capability of a search. */
export class Sessions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async start(options: EitherCase<t.SessionStartOptions>, request?: RequestOptions): Promise<t.SessionState> {
    const body = toWire(options);
    check(body, limits.SESSION_START, ['capability_id']);
    return this.#transport.post('/api-v1/session/start', body, request);
  }

  async message(options: EitherCase<t.SessionMessageOptions>, request?: RequestOptions): Promise<t.SessionReply> {
    const body = toWire(options);
    check(body, limits.SESSION_MESSAGE, ['session_id', 'message']);
    return this.#transport.post('/api-v1/session/message', body, request);
  }

  async end(options: EitherCase<t.SessionEndOptions>, request?: RequestOptions): Promise<t.SessionSummary> {
    const body = toWire(options);
    check(body, limits.SESSION_END, ['session_id']);
    return this.#transport.post('/api-v1/session/end', body, request);
  }

  /** How it went; releases the agent's payout. */
  async feedback(options: EitherCase<t.SessionFeedbackOptions>, request?: RequestOptions): Promise<t.SessionFeedbackReceipt> {
    const body = toWire(options);
    check(body, limits.SESSION_FEEDBACK, ['session_id', 'feedback_text']);
    return this.#transport.post('/api-v1/feedback', body, request);
  }
}
