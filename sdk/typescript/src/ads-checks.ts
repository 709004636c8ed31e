/** The limits of the ads API's parameters, as its OpenAPI document states them. */

import { EVENT_TYPES, REACTIONS } from './ads-types.js';
import { anObject, type Checks, flag, integer, number, oneOf, text, texts } from './checks.js';

const context = text(16_000);
const agent_id = text(64);
const tracking_token = text(2_048);
const idempotency_key = text(190);
const max_results = integer(1, 20);

export const DECIDE: Checks = {
  context,
  user_intent: text(2_000, { blank: true }),
  categories: texts(100),
  blocked_categories: texts(100),
  blocked_advertisers: texts(200),
  min_quality_score: number(0, 1),
  min_relevance_score: number(0, 1),
  max_results,
  response_format: oneOf(['concise', 'verbose']),
  max_wait_ms: integer(0, 10_000),
  placement_id: text(100, { blank: true }),
  request_id: text(190),
  user_ref: text(200),
  session_context: anObject,
  consent: flag,
  agent_id,
};

export const EVENT: Checks = {
  event_type: oneOf(EVENT_TYPES),
  unit_id: text(64, { blank: true }),
  tracking_token: text(2_048, { blank: true }),
  event_id: text(190),
  occurred_at: (value) => (Number.isNaN(Date.parse(String(value))) ? 'must be a time in ISO 8601' : undefined),
  agent_id,
  metadata: anObject,
};

export const FEEDBACK: Checks = {
  tracking_token,
  reaction: oneOf(REACTIONS),
  user_response: text(4_000, { blank: true }),
  agent_response: text(16_000, { blank: true }),
  conversation_history: texts(Infinity, 16_000),
  context: text(1_000, { blank: true }),
  idempotency_key,
  agent_id,
};

export const SERVICE_RESULT: Checks = { transaction_id: text(100), success: flag, metadata: anObject };

export const RATING: Checks = {
  tracking_token,
  ad_unit_id: text(64),
  rating: integer(1, 5),
  context: text(500, { blank: true }),
};

export const SIGNUP: Checks = {
  owner_email: (value) => text(254)(value) ?? (/^[^\s@]+@[^\s@]+$/.test(String(value)) ? undefined : 'must be an e-mail address'),
  agent_name: text(100),
  sdk_type: text(50, { blank: true }),
  declared_placements: texts(50),
};

export const SEARCH: Checks = { query: context, max_results, agent_id };

export const SESSION_START: Checks = {
  capability_id: tracking_token,
  ad_unit_id: text(64),
  clearing_price_cents: integer(0, Number.MAX_SAFE_INTEGER),
  initial_data: anObject,
  consent: flag,
  agent_id,
};

export const SESSION_MESSAGE: Checks = {
  session_id: text(64),
  message: text(4_000),
  data: anObject,
  idempotency_key,
  agent_id,
};

export const SESSION_END: Checks = { session_id: text(64), agent_id };

export const SESSION_FEEDBACK: Checks = {
  session_id: text(64),
  feedback_text: text(4_000),
  idempotency_key,
  agent_id,
};

export const CATEGORIES: Checks = { tier: integer(1, 4) };
