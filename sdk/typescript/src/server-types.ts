/** What goes to the agent server and comes from it over REST, as on the wire. Its OpenAPI document is the measure. */

type JsonObject = Record<string, unknown>;
type OrNull<T> = { [K in keyof T]: T[K] | null };

export type RunStatus =
  | 'queued'
  | 'running'
  | 'waiting_approval'
  | 'waiting_input'
  | 'paused'
  | 'cancelling'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'timed_out';
export type ExecutionStatus = 'queued' | 'running' | 'waiting' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'timed_out';
export type WaitReason = 'approval' | 'clarification' | 'recovery' | 'budget' | 'paused';
export type TaskStatus =
  | 'active'
  | 'running'
  | 'waiting'
  | 'pending_review'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'archived';
export type ProjectStatus = 'active' | 'archived';
export type DecisionScope = 'once' | 'session' | 'pattern' | 'always';
export type AgentMode = 'build' | 'plan';

// Chat

export interface ChatMessageOptions
  extends Partial<
    OrNull<{
      /** Without one a new conversation is made; an unknown one makes that one. */
      session_id: string;
      /** Another name of `session_id`. */
      conversation_id: string;
      /** Absolute path; binds the session to it. */
      directory: string;
      context: JsonObject;
      context_files: string[];
      image_paths: string[];
      /** Data URLs or ids of uploads. */
      images: string[];
      model: string;
      agent_mode: AgentMode;
      max_iterations: number;
      /** Within a conversation: the same id and message again is the same run. */
      client_message_id: string;
      /** What a message does while the conversation is busy. */
      on_busy: 'enqueue' | 'steer' | 'interrupt' | 'reject';
    }>
  > {
  text: string;
  include_reasoning?: boolean;
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  total_tokens: number;
  cost_usd: number;
}

export interface ChatAnswer {
  /** The text of the last model call. */
  response: string;
  action_results: JsonObject[];
  session_id: string;
  conversation_id: string;
  run_id: string;
  /** The answer's. */
  message_id: string;
  status: 'completed' | 'cancelled' | 'timed_out';
  aborted: boolean;
  usage: Usage;
  reasoning?: string;
  /** Ads that fit the message, to be shown labelled; where they were switched on. */
  sponsored?: JsonObject[];
}

export interface Accepted {
  run_id: string;
  session_id: string;
  conversation_id: string;
  message_id: string;
  status: string;
  queue_position: number;
  cursor: string;
}

export interface RunError {
  kind: string;
  message: string;
  retryable: boolean;
}

export interface Run {
  id: string;
  session_id: string;
  status: RunStatus;
  attempt: number;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  usage: JsonObject;
  error: RunError | null;
  queue_position: number | null;
  queue_reason: 'moderation_check' | 'moderation_review' | null;
  input_message_id: string;
  answer_message_id: string;
  retry_of: string | null;
}

export interface Approval {
  id: string;
  session_id: string;
  run_id: string;
  tool_call_id: string;
  tool_name: string;
  operation: string;
  resource: string;
  arguments: JsonObject;
  edited_arguments: JsonObject | null;
  /** Send it back with the decision: it is for exactly this. */
  digest: string;
  reason: string;
  diff: string | null;
  status: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'superseded';
  feedback: string;
  created_at: string;
  expires_at: string;
  resolved_at: string | null;
  resolved_by: string | null;
  resolution_scope: DecisionScope | null;
}

export interface PendingApprovals {
  pending: Approval[];
  count: number;
}

export interface ApproveOptions {
  /** Without it `once`. */
  scope?: DecisionScope;
  pattern?: string | string[] | null;
  digest?: string | null;
  /** In place of the model's. */
  arguments?: JsonObject | null;
}

export interface DenyOptions {
  /** Told to the model. */
  feedback?: string;
  digest?: string | null;
}

export interface Question {
  id: string;
  session_id: string;
  run_id: string;
  tool_call_id: string;
  kind: 'ask_user' | 'recovery' | 'loop';
  text: string;
  choices: string[];
  status: 'open' | 'answered' | 'expired' | 'cancelled';
  answer: string;
  created_at: string;
  expires_at: string;
  answered_at: string | null;
  answered_by: string | null;
}

export interface Questions {
  questions: Question[];
}

// Conversations

export interface PageOptions {
  limit?: number;
  /** `next_cursor` of the page before. */
  cursor?: string;
}

export interface ConversationListOptions extends PageOptions {
  search?: string;
  archived?: boolean;
}

export interface Conversation {
  session_id: string;
  id: string;
  conversation_id: string;
  title: string;
  message_count: number;
  created_at: string;
  last_active: string;
  directory: string | null;
  status: 'idle' | 'busy' | 'waiting';
  archived: boolean;
  sponsored: boolean;
  token_count: number;
  cost_usd: number;
}

export interface ConversationPage {
  conversations: Conversation[];
  next_cursor: string | null;
}

export interface Message {
  id: string;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  created_at: string;
  parts: JsonObject[];
  metadata: JsonObject;
  run_id: string | null;
}

export interface ConversationDetail extends Conversation {
  messages: Message[];
  has_more: boolean;
  /** What reads the messages in front of these. */
  before: string | null;
}

export interface ConversationGetOptions {
  /** The newest so many messages. */
  limit?: number;
  before?: string;
}

export interface ConversationCreateOptions {
  title?: string;
  directory?: string | null;
  session_id?: string | null;
}

export interface ConversationCreated {
  conversation_id: string;
  session_id: string;
}

export interface ConversationChanges {
  title?: string;
  archived?: boolean;
  sponsored?: boolean;
}

export interface ConversationDeleted {
  session_id: string;
  conversation_id: string;
  deleted: boolean;
  status: 'deleted' | 'cancelling';
}

// Usage and context files

export interface Tokens {
  prompt: number;
  completion: number;
  total: number;
}

export interface ModelTokens extends Tokens {
  reasoning: number;
  cache_read: number;
  cache_write: number;
  calls: number;
  cost_usd: number;
}

export interface UsageFigures extends Tokens {
  main_model: Tokens;
  models: Record<string, ModelTokens>;
  calls: number;
  cost_usd: number;
  today: number;
  today_cost_usd: number;
}

export interface TokenUsage {
  usage: UsageFigures;
}

export interface UsageOptions {
  session_id?: string;
  /** ISO date or time, included. */
  from?: string;
  /** The same, not included. */
  to?: string;
}

export interface SessionTokenUsage extends TokenUsage {
  session_id: string;
  conversation_id: string;
  context_window: {
    model: string;
    used: number;
    limit: number | null;
    fraction: number | null;
    estimated: boolean;
  };
}

export interface ContextFile {
  path: string;
  size: number;
  modified: string;
}

export interface ContextFiles {
  files: ContextFile[];
}

export interface ContextFileLoadOptions {
  file_path: string;
  session_id?: string | null;
}

export interface ContextFileLoaded {
  success: boolean;
  file_path: string;
  size: number;
  tokens: number;
  session_id: string;
  conversation_id: string;
  message_id: string;
}
