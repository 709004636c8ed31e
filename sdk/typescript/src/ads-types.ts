/** What goes to the ads API and comes from it, as on the wire. The server's OpenAPI document is the measure. */

export const EVENT_TYPES = [
  'impression',
  'click',
  'conversion',
  'ad_shown',
  'ad_dismissed',
  'agent_call',
  'action',
  'dismiss',
  'hide_advertiser',
  'report',
  'feedback',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const REACTIONS = ['positive', 'neutral', 'negative'] as const;
export type Reaction = (typeof REACTIONS)[number];

export const AD_TYPES = ['static_offer', 'service', 'dynamic_capability'] as const;
export type AdType = (typeof AD_TYPES)[number];

type JsonObject = Record<string, unknown>;

export interface DecideOptions {
  /** What the user said. It is not stored. */
  context: string;
  user_intent?: string;
  /** IAB ids or names; children are included. */
  categories?: string[];
  blocked_categories?: string[];
  blocked_advertisers?: string[];
  min_quality_score?: number;
  /** Without it 0.25. */
  min_relevance_score?: number;
  /** 1 to 20; without it 5. */
  max_results?: number;
  response_format?: 'concise' | 'verbose';
  max_wait_ms?: number;
  placement_id?: string;
  /** Repeated, it gets the first answer again. */
  request_id?: string;
  /** The same for the same user: for frequency caps. */
  user_ref?: string;
  session_context?: JsonObject;
  /** false: nothing is shown. */
  consent?: boolean;
  agent_id?: string;
}

export interface Disclosure {
  /** To be shown with the ad. */
  label: string;
  sponsor_name: string;
  why: string;
}

export interface AdUnit {
  creative: { title: string; body: string; cta: string; landing_url: string };
  /** Where a click leads: the only thing that a click is billed by. */
  click_url: string;
  tracking_token: string;
  disclosure: Disclosure;
  ad_type: AdType;
  advertiser_id: string;
  /** Cents for one billed event. */
  payout: number;
  content_trust: 'untrusted';
  expires_at: string;
  /** Of a service. */
  transaction_id?: string;
  service?: { endpoint: string; auth: string; description: string };
  /** Of a verbose answer. */
  auction?: JsonObject;
  _score: { relevance: number; quality: number; bid: number; final: number };
  _meta: { unit_id: string; campaign_id: string; clearing_price_cents: number; position: number };
}

export type NoFillReason =
  | 'no_match'
  | 'below_relevance'
  | 'below_quality'
  | 'blocked'
  | 'sensitive_context'
  | 'frequency_cap'
  | 'budget'
  | 'timeout'
  | 'consent_required';

export interface Decision {
  status: 'fill' | 'no_fill';
  request_id: string;
  decision_id: string;
  units: AdUnit[];
  /** Of `no_fill`: why, and how many candidates were left at each stage. */
  reason?: NoFillReason;
  stages?: Record<string, number>;
}

export interface EventOptions {
  event_type: EventType;
  unit_id?: string;
  tracking_token?: string;
  /** Without it a new one. */
  event_id?: string;
  /** ISO 8601. Without it now. */
  occurred_at?: string;
  /** Without it the key's own. */
  agent_id?: string;
  metadata?: JsonObject | null;
}

export interface EventReceipt {
  accepted: boolean;
  billable: boolean;
  /** Why it is not billable. */
  reason?: string;
}

export interface FeedbackOptions {
  tracking_token: string;
  /** This, or `user_response`. */
  reaction?: Reaction | null;
  /** The user's own words, of which the reaction is read. */
  user_response?: string;
  agent_response?: string;
  conversation_history?: string[];
  context?: string;
  idempotency_key?: string;
  agent_id?: string;
}

export interface FeedbackReceipt {
  status: 'received';
  feedback_id: string;
  resolution_date: string;
  potential_bonus: string;
  potential_penalty: string;
  message: string;
  sentiment_detected: Reaction;
  success: boolean;
}

export interface ServiceResultOptions {
  transaction_id: string;
  success: boolean;
  metadata?: JsonObject | null;
}

export interface ServiceResult {
  transaction_id: string;
  success: boolean;
  payment_triggered: boolean;
  /** Dollars. */
  payment_amount: number;
  developer_earnings: number;
  message: string;
}

export interface RatingOptions {
  tracking_token: string;
  ad_unit_id: string;
  /** 1 to 5. */
  rating: number;
  context?: string;
}

export interface RatingReceipt {
  status: string;
  rating_id: string;
  rating: number;
  message: string;
}

export interface SignupOptions {
  owner_email: string;
  agent_name: string;
  sdk_type?: string;
  declared_placements?: string[];
}

export interface Agent {
  agent_id: string;
  /** Works when staff has approved the agent. Shown this once. */
  api_key: string;
  /** Works at once. */
  test_api_key: string;
  owner_email: string;
  agent_name: string;
  environment: string;
  status: string;
  created_at: string;
  message: string;
}

export interface SearchOptions {
  query: string;
  max_results?: number;
  user_context?: string | JsonObject | null;
  agent_id?: string;
}

export interface Capability {
  capability_id: string;
  ad_unit_id: string;
  name: string;
  description: string;
  type: 'static_offer' | 'dynamic_capability';
  cta: string;
  click_url: string;
  clearing_price_cents: number;
  relevance_score: number;
  tracking_token: string;
  sponsored: boolean;
  disclosure: Disclosure;
}

export interface SearchResult {
  capabilities: Capability[];
  request_id: string;
}

export interface SessionStartOptions {
  /** Of a search, or the tracking token of a unit. */
  capability_id: string;
  ad_unit_id?: string | null;
  /** As it was shown; another one is refused. */
  clearing_price_cents?: number | null;
  initial_data?: JsonObject | null;
  consent?: boolean;
  agent_id?: string;
}

export interface SessionMessageOptions {
  session_id: string;
  message: string;
  data?: JsonObject | null;
  idempotency_key?: string;
  agent_id?: string;
}

export interface SessionEndOptions {
  session_id: string;
  agent_id?: string;
}

export interface SessionFeedbackOptions {
  session_id: string;
  feedback_text: string;
  idempotency_key?: string;
  agent_id?: string;
}

export interface SessionState {
  session_id: string;
  status: 'active' | 'completed' | 'expired' | 'aborted';
  message: string;
  pending_fields: string[];
  structured_data: JsonObject;
  expires_at: string;
}

export interface SessionReply extends SessionState {
  reply: string;
}

export interface SessionSummary {
  session_id: string;
  status: 'completed' | 'aborted';
  summary: string;
  message_count: number;
  total_tokens: number;
  total_cost_usd: number;
}

export interface SessionFeedbackReceipt {
  success: boolean;
  message: string;
  session_id?: string;
  sentiment_detected?: string;
}

export interface Policy {
  version: string;
  disclosure: JsonObject;
  defaults: JsonObject;
  unit_rules: JsonObject;
}

export interface CategoriesOptions {
  /** 1 to 4. */
  tier?: number;
  parent_id?: string | number;
  /** Part of the full path, in any case. */
  search?: string;
}

export interface Categories {
  version: string;
  source: string;
  url: string;
  total: number;
  categories: { id: number | string; name: string; full_path: string; parent_id: number | string | null }[];
}

export interface Balance {
  agent_id: string;
  environment: string;
  currency: string;
  balance: number;
  payable: number;
}
