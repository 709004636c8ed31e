"""Projects, tasks and their executions. A test compares all of it with `/api/schema`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Required, TypedDict

from penguin_sdk.types.chat import AgentMode, RunError, RunStatus
from penguin_sdk.types.limits import text

ExecutionStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "timed_out"
]
TaskStatus = Literal[
    "active", "running", "waiting", "pending_review", "completed", "failed", "cancelled", "archived"
]
ProjectStatus = Literal["active", "archived"]
OnUnknown = Literal["ask", "tell"]
WaitReason = Literal["approval", "clarification", "recovery", "budget", "paused", ""]


class TaskCounts(TypedDict):
    active: int
    running: int
    waiting: int
    pending_review: int
    completed: int
    failed: int
    cancelled: int
    archived: int


class Project(TypedDict):
    id: str
    name: str
    description: str
    status: ProjectStatus
    directory: str | None
    review_required: bool
    on_unknown: OnUnknown
    task_counts: TaskCounts
    created_at: str
    updated_at: str


class ProjectList(TypedDict):
    projects: list[Project]
    next_cursor: str | None


class LiveExecution(TypedDict):
    id: str
    status: ExecutionStatus
    wait_reason: WaitReason


class Task(TypedDict):
    id: str
    project_id: str | None
    parent_task_id: str | None
    title: str
    description: str
    status: TaskStatus
    ready: bool
    priority: int
    depends_on: list[str]
    blocked_by: list[str]
    acceptance_criteria: list[str]
    due_at: str | None
    budget_tokens: int | None
    budget_cost_usd: float | None
    time_limit: float | None
    result: str
    feedback: str
    origin: Literal["person", "agent"]
    execution: LiveExecution | None
    created_at: str
    updated_at: str
    completed_at: str | None


class ProjectDetail(TypedDict):
    id: str
    name: str
    description: str
    status: ProjectStatus
    directory: str | None
    review_required: bool
    on_unknown: OnUnknown
    task_counts: TaskCounts
    created_at: str
    updated_at: str
    tasks: list[Task]
    next_cursor: str | None


class TaskList(TypedDict):
    tasks: list[Task]
    next_cursor: str | None


class Removed(TypedDict):
    id: str
    deleted: bool


class ExecutionStarted(TypedDict):
    status: Literal["started"]
    task_id: str
    execution_id: str
    session_id: str
    links: dict[str, str]


class Execution(TypedDict):
    id: str
    execution_id: str
    task_id: str | None
    current_task_id: str
    project_id: str | None
    project_run_id: str | None
    session_id: str | None
    status: ExecutionStatus
    state: ExecutionStatus
    wait_reason: WaitReason
    cancel_requested: bool
    pause_requested: bool
    continuous: bool
    stop_reason: str
    result: dict[str, Any] | None
    error: RunError | None
    time_limit: float | None
    used_seconds: float
    budget_tokens: int | None
    used_tokens: int
    budget_cost_usd: float | None
    used_cost_usd: float
    cost_is_known: bool
    created_at: str
    started_at: str | None
    ended_at: str | None
    links: dict[str, str]


class ExecutionList(TypedDict):
    executions: list[Execution]
    next_cursor: str | None


class Progress(TypedDict):
    percent: int | None
    note: str
    model_calls: int
    tool_calls: int
    tasks_done: int
    todos: list[dict[str, Any]]


class RunOfExecution(TypedDict):
    id: str
    number: int
    task_id: str | None
    reason: str
    status: RunStatus
    started_at: str | None
    finished_at: str | None
    usage: dict[str, Any]
    error: RunError | None


class ExecutionDetail(TypedDict):
    id: str
    execution_id: str
    task_id: str | None
    current_task_id: str
    project_id: str | None
    project_run_id: str | None
    session_id: str | None
    status: ExecutionStatus
    state: ExecutionStatus
    wait_reason: WaitReason
    cancel_requested: bool
    pause_requested: bool
    continuous: bool
    stop_reason: str
    result: dict[str, Any] | None
    error: RunError | None
    time_limit: float | None
    used_seconds: float
    budget_tokens: int | None
    used_tokens: int
    budget_cost_usd: float | None
    used_cost_usd: float
    cost_is_known: bool
    created_at: str
    started_at: str | None
    ended_at: str | None
    links: dict[str, str]
    progress: Progress
    runs: list[RunOfExecution]
    usage: dict[str, Any]
    approvals: list[str]
    questions: list[dict[str, Any]]


class FileChange(TypedDict):
    path: str
    old_path: str | None
    status: Literal["added", "modified", "deleted", "renamed", "type_changed"]
    additions: int | None
    deletions: int | None


class Diff(TypedDict):
    execution_id: str
    base_tree: str
    final: bool
    text: str
    files: list[FileChange]
    files_changed: int
    additions: int
    deletions: int
    truncated: bool
    left_out: list[str]
    created_at: str | None


class ProjectRun(TypedDict):
    id: str
    project_id: str
    status: Literal["running", "completed", "failed", "cancelled", "timed_out"]
    continuous: bool
    parallel: int
    time_limit: float | None
    used_seconds: float
    stop_reason: str
    result: dict[str, Any] | None
    executions: list[Execution]
    created_at: str
    ended_at: str | None


class ProjectRunStarted(TypedDict):
    status: Literal["started"]
    project_id: str
    project_run_id: str
    executions: list[ExecutionStarted]
    links: dict[str, str]


class ProjectFields(TypedDict, total=False):
    name: Required[Annotated[str, text(200)]]
    description: str
    directory: str | None
    review_required: bool
    on_unknown: OnUnknown


class ProjectChanges(TypedDict, total=False):
    name: str
    description: str
    directory: str | None
    review_required: bool
    on_unknown: OnUnknown
    status: ProjectStatus


class ProjectRunFields(TypedDict, total=False):
    continuous: bool
    time_limit: float | None
    parallel: int
    model: str | None
    agent_mode: AgentMode | None
    max_iterations: int | None


class TaskFields(TypedDict, total=False):
    project_id: str | None
    title: Required[Annotated[str, text(200)]]
    description: str
    priority: int
    parent_task_id: str | None
    depends_on: Sequence[str]
    acceptance_criteria: Sequence[str]
    due_at: str | None
    budget_tokens: int | None
    budget_cost_usd: float | None
    time_limit: float | None


class TaskChanges(TypedDict, total=False):
    project_id: str | None
    title: str
    description: str
    priority: int
    parent_task_id: str | None
    depends_on: Sequence[str]
    acceptance_criteria: Sequence[str]
    due_at: str | None
    budget_tokens: int | None
    budget_cost_usd: float | None
    time_limit: float | None
    status: Literal["active", "running", "completed", "cancelled", "archived"]


class ExecuteFields(TypedDict, total=False):
    session_id: str | None
    directory: str | None
    continuous: bool
    time_limit: float | None
    budget_tokens: int | None
    budget_cost_usd: float | None
    model: str | None
    agent_mode: AgentMode | None
    max_iterations: int | None
    name: Required[Annotated[str, text(200)]]
    description: str | None
    acceptance_criteria: Sequence[str]
    project_id: str | None
    priority: int


class ExecutionFields(TypedDict, total=False):
    session_id: str | None
    directory: str | None
    continuous: bool
    time_limit: float | None
    budget_tokens: int | None
    budget_cost_usd: float | None
    model: str | None
    agent_mode: AgentMode | None
    max_iterations: int | None


class ResumeFields(TypedDict, total=False):
    budget_tokens: int | None
    budget_cost_usd: float | None
    time_limit: float | None


class ProjectQuery(TypedDict, total=False):
    limit: int
    cursor: str
    status: ProjectStatus
    q: str


class ProjectPage(TypedDict, total=False):
    limit: int
    cursor: str


class TaskQuery(TypedDict, total=False):
    limit: int
    cursor: str
    project_id: str
    parent_task_id: str
    status: TaskStatus
    q: str
    ready: bool


class ExecutionQuery(TypedDict, total=False):
    limit: int
    cursor: str
    project_id: str
    task_id: str
    status: ExecutionStatus


class CompleteFields(TypedDict, total=False):
    result: str


class ReopenFields(TypedDict, total=False):
    feedback: str


class ClarificationFields(TypedDict, total=False):
    answer: Required[Annotated[str, text(100_000)]]
    question_id: str | None
