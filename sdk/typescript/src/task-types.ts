/** Projects, tasks and their executions over REST, as on the wire. */

import type { AgentMode, ExecutionStatus, PageOptions, ProjectStatus, RunError, RunStatus, TaskStatus, WaitReason } from './server-types.js';

type JsonObject = Record<string, unknown>;

export interface Project {
  id: string;
  name: string;
  description: string;
  status: ProjectStatus;
  directory: string | null;
  review_required: boolean;
  on_unknown: 'ask' | 'tell';
  task_counts: Record<TaskStatus, number>;
  created_at: string;
  updated_at: string;
}

export interface ProjectOptions {
  name: string;
  description?: string;
  directory?: string | null;
  review_required?: boolean;
  on_unknown?: 'ask' | 'tell';
}

export interface ProjectChanges extends Partial<ProjectOptions> {
  status?: ProjectStatus;
}

export interface ProjectListOptions extends PageOptions {
  status?: ProjectStatus;
  q?: string;
}

export interface ProjectPage {
  projects: Project[];
  next_cursor: string | null;
}

export interface ProjectDetail extends Project {
  tasks: Task[];
  next_cursor: string | null;
}

export interface Removed {
  id: string;
  deleted: boolean;
}

export interface ProjectRunOptions {
  continuous?: boolean;
  time_limit?: number | null;
  parallel?: number;
  model?: string | null;
  agent_mode?: AgentMode | null;
  max_iterations?: number | null;
}

export interface ProjectRunStarted {
  status: 'started';
  project_id: string;
  project_run_id: string;
  executions: Started[];
  links: Record<string, string>;
}

export interface Task {
  id: string;
  project_id: string | null;
  parent_task_id: string | null;
  title: string;
  description: string;
  status: TaskStatus;
  ready: boolean;
  priority: number;
  depends_on: string[];
  blocked_by: string[];
  acceptance_criteria: string[];
  due_at: string | null;
  budget_tokens: number | null;
  budget_cost_usd: number | null;
  time_limit: number | null;
  result: string;
  feedback: string;
  origin: 'person' | 'agent';
  execution: { id: string; status: ExecutionStatus; wait_reason: WaitReason | '' } | null;
  created_at: string;
  updated_at: string;
  completed_at: string | null;
}

export interface TaskOptions {
  title: string;
  project_id?: string | null;
  description?: string;
  priority?: number;
  parent_task_id?: string | null;
  depends_on?: string[];
  acceptance_criteria?: string[];
  due_at?: string | null;
  budget_tokens?: number | null;
  budget_cost_usd?: number | null;
  /** Minutes at work, of each execution. */
  time_limit?: number | null;
}

export interface TaskChanges extends Partial<TaskOptions> {
  /** A move that a person may make. */
  status?: 'active' | 'running' | 'completed' | 'cancelled' | 'archived';
}

export interface TaskListOptions extends PageOptions {
  project_id?: string;
  parent_task_id?: string;
  status?: TaskStatus;
  q?: string;
  ready?: boolean;
}

export interface TaskPage {
  tasks: Task[];
  next_cursor: string | null;
}

export interface ExecutionOptions {
  session_id?: string | null;
  directory?: string | null;
  continuous?: boolean;
  /** Minutes at work; waiting does not count. */
  time_limit?: number | null;
  budget_tokens?: number | null;
  budget_cost_usd?: number | null;
  model?: string | null;
  agent_mode?: AgentMode | null;
  max_iterations?: number | null;
}

export interface ExecuteOptions extends ExecutionOptions {
  /** The title of the task. */
  name: string;
  description?: string | null;
  acceptance_criteria?: string[];
  project_id?: string | null;
  priority?: number;
}

export interface Started {
  status: 'started';
  task_id: string;
  execution_id: string;
  session_id: string;
  links: Record<string, string>;
}

export interface Execution {
  id: string;
  execution_id: string;
  task_id: string | null;
  current_task_id: string;
  project_id: string | null;
  project_run_id: string | null;
  session_id: string | null;
  status: ExecutionStatus;
  state: ExecutionStatus;
  wait_reason: WaitReason | '';
  cancel_requested: boolean;
  pause_requested: boolean;
  continuous: boolean;
  stop_reason: string;
  result: JsonObject | null;
  error: RunError | null;
  time_limit: number | null;
  used_seconds: number;
  budget_tokens: number | null;
  used_tokens: number;
  budget_cost_usd: number | null;
  used_cost_usd: number;
  cost_is_known: boolean;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  links: Record<string, string>;
}

export interface RunOfExecution {
  id: string;
  number: number;
  task_id: string | null;
  reason: string;
  status: RunStatus;
  started_at: string | null;
  finished_at: string | null;
  usage: JsonObject;
  error: RunError | null;
}

export interface ExecutionDetail extends Execution {
  progress: {
    percent: number | null;
    note: string;
    model_calls: number;
    tool_calls: number;
    tasks_done: number;
    todos: JsonObject[];
  };
  runs: RunOfExecution[];
  usage: JsonObject;
  /** Ids of those that wait for a person. */
  approvals: string[];
  questions: JsonObject[];
}

export interface ExecutionListOptions extends PageOptions {
  task_id?: string;
  project_id?: string;
  status?: ExecutionStatus;
}

export interface ExecutionPage {
  executions: Execution[];
  next_cursor: string | null;
}

export interface ResumeOptions {
  budget_tokens?: number | null;
  budget_cost_usd?: number | null;
  time_limit?: number | null;
}

export interface ClarificationOptions {
  answer: string;
  question_id?: string | null;
}
