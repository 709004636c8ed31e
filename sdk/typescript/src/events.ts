/** The frames of the sockets, as on the wire: `{ event, data }`. Narrow by `event`. */

import type {
  Approval,
  ExecutionStatus,
  Question,
  RunError,
  RunStatus,
  TaskStatus,
  Usage,
  WaitReason,
} from './server-types.js';

type JsonObject = Record<string, unknown>;

interface Frame<Name extends string, Data> {
  event: Name;
  data: Data;
}

interface OfRun {
  session_id: string;
  run_id: string;
}

interface Logged extends OfRun {
  /** Opaque. A stream that comes back begins behind the last one; this package sees to it. */
  cursor: string;
}

/** A piece of text. `offset`: Unicode code points in front of it in its part. */
export interface TextPiece extends OfRun {
  token: string;
  part_id: string;
  offset: number;
}

export interface ToolStart extends Logged {
  phase: 'start';
  tool_call_id: string;
  action: string;
  arguments: JsonObject;
  status: string;
}

export interface ToolProgress extends OfRun {
  phase: 'progress';
  tool_call_id: string;
  output: string;
  offset: number;
}

export interface ToolEnd extends Logged {
  phase: 'end';
  tool_call_id: string;
  action: string;
  arguments: JsonObject;
  status: string;
  result: string;
  truncated: boolean;
  artifact_id: string | null;
}

export interface RunStatusData extends Logged {
  status:
    | 'queued'
    | 'retrying'
    | 'compacting'
    | 'cancelling'
    | 'steered'
    | 'interrupted'
    | 'waiting_approval'
    | 'waiting_input'
    | 'paused';
  /** Of `interrupted`: its text is void, the model is asked again. */
  part_id?: string;
  position?: number;
  reason?: string;
  message_id?: string;
  [more: string]: unknown;
}

export interface ErrorData {
  message: string;
  code: string;
  status: number;
  session_id?: string;
  run_id?: string;
  retryable?: boolean;
}

export interface Complete extends Logged {
  conversation_id: string;
  message_id: string;
  /** The text of the last model call. */
  response: string;
  action_results: JsonObject[];
  status: RunStatus;
  aborted: boolean;
  usage: Usage;
  error?: RunError;
  reasoning?: string;
  sponsored?: JsonObject[];
}

export type ApprovalEvent = Frame<'approval', Logged & { phase: 'asked' | 'decided' | 'expired'; approval: Approval }>;

export type ChatEvent =
  | Frame<'start', Logged & { conversation_id: string; message_id: string }>
  | Frame<'token', TextPiece>
  | Frame<'reasoning', TextPiece>
  | Frame<'tool', ToolStart | ToolProgress | ToolEnd>
  | ApprovalEvent
  | Frame<'question', Logged & { phase: 'asked' | 'answered' | 'expired'; question: Question }>
  | Frame<'todos', Logged & { todos: JsonObject[] }>
  | Frame<'status', RunStatusData>
  | Frame<'error', ErrorData>
  | Frame<'complete', Complete>;

interface OfExecution {
  session_id: string;
  execution_id: string;
  run_id: string | null;
}

interface LoggedOfExecution extends OfExecution {
  cursor: string;
}

/** A task as the frames tell it. */
export interface TaskTold {
  id: string;
  name: string;
  project_id: string | null;
  status: TaskStatus;
}

/** An execution as the frames tell it. */
export interface ExecutionTold {
  id: string;
  status: ExecutionStatus;
  wait_reason: WaitReason | '';
  task: TaskTold;
  run_id: string | null;
  project_run_id: string | null;
  continuous: boolean;
  progress: JsonObject | null;
  used_seconds: number;
  used_tokens: number;
  used_cost_usd: number;
  stop_reason: string;
  result: JsonObject | null;
  error: RunError | null;
}

interface Told extends OfExecution {
  /** Missing where the end is told again to who comes late. */
  cursor?: string;
  task_id: string;
  name: string;
  execution: ExecutionTold;
}

export interface TaskEnd extends Told {
  status: ExecutionStatus;
  stop_reason: string;
  result: JsonObject | null;
  error: RunError | null;
}

type Progress<Kind extends string, Data> = LoggedOfExecution & { kind: Kind } & Data;

export type TaskProgress =
  | (Told & { kind: 'execution'; status: ExecutionStatus; wait_reason: WaitReason | ''; progress: JsonObject | null })
  | Progress<'task', { task: TaskTold }>
  | Progress<'run', { phase: 'start'; message_id: string }>
  | Progress<'run', { phase: 'end'; message_id: string; status: RunStatus; usage: Usage; error: RunError | null }>
  | Progress<'status', Omit<RunStatusData, keyof Logged>>
  | Progress<'todos', { todos: JsonObject[] }>
  | Progress<'clarification', { phase: string; question: Question }>;

export type TaskEvent =
  | Frame<'task_started', Told & { status: ExecutionStatus }>
  | Frame<'token', TextPiece & { execution_id: string }>
  | Frame<'message', OfExecution & { message_id: string; role: 'assistant'; content: string }>
  | Frame<'tool', (ToolStart | ToolProgress | ToolEnd) & { execution_id: string }>
  | Frame<'approval', ApprovalEvent['data'] & { execution_id: string }>
  | Frame<'clarification_needed', LoggedOfExecution & { question: Question }>
  | Frame<'task_progress', TaskProgress>
  | Frame<'task_completed' | 'task_failed' | 'task_cancelled' | 'time_limit_reached', TaskEnd>;
