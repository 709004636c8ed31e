"""What can be asked of the agent server about projects, tasks and their executions."""

from typing import Unpack

from penguin_sdk._checks import checked, identifier
from penguin_sdk._conversations import until_ended
from penguin_sdk._steps import Steps, ask, delete, get, part, patch, post
from penguin_sdk.types import tasks

ENDED_EXECUTION = ("completed", "failed", "cancelled", "timed_out")


# Projects


def _project(project_id: str) -> str:
    return f"/projects/{part('project_id', project_id)}"


def list_projects(**query: Unpack[tasks.ProjectQuery]) -> Steps[tasks.ProjectList]:
    """Projects, the newest first; `next_cursor` leads on."""
    return ask(get("agent", "/projects", checked(tasks.ProjectQuery, query)))


def create_project(**fields: Unpack[tasks.ProjectFields]) -> Steps[tasks.Project]:
    """A new project; its name is unique among yours (409 `project_exists`)."""
    return ask(post("agent", "/projects", checked(tasks.ProjectFields, fields)))


def get_project(project_id: str, **query: Unpack[tasks.ProjectPage]) -> Steps[tasks.ProjectDetail]:
    """A project with its newest tasks."""
    return ask(get("agent", _project(project_id), checked(tasks.ProjectPage, query)))


def update_project(project_id: str, **changes: Unpack[tasks.ProjectChanges]) -> Steps[tasks.Project]:
    """Change what is named."""
    return ask(patch("agent", _project(project_id), checked(tasks.ProjectChanges, changes)))


def delete_project(project_id: str) -> Steps[tasks.Removed]:
    """Delete a project with its tasks."""
    return ask(delete("agent", _project(project_id)))


def run_project(project_id: str, **fields: Unpack[tasks.ProjectRunFields]) -> Steps[tasks.ProjectRunStarted]:
    """Have agents work through a project's tasks that are ready."""
    return ask(post("agent", f"{_project(project_id)}/run", checked(tasks.ProjectRunFields, fields)))


def get_project_run(project_id: str) -> Steps[tasks.ProjectRun]:
    """The newest run of a project."""
    return ask(get("agent", f"{_project(project_id)}/run"))


def cancel_project_run(project_id: str) -> Steps[tasks.ProjectRun]:
    """Ask for the end of a project's run."""
    return ask(post("agent", f"{_project(project_id)}/run/cancel", {}))


# Tasks


def _task(task_id: str) -> str:
    return f"/tasks/{part('task_id', task_id)}"


def list_tasks(**query: Unpack[tasks.TaskQuery]) -> Steps[tasks.TaskList]:
    """Tasks, the newest first; `next_cursor` leads on."""
    return ask(get("agent", "/tasks", checked(tasks.TaskQuery, query)))


def create_task(**fields: Unpack[tasks.TaskFields]) -> Steps[tasks.Task]:
    """Note a task, without beginning with it."""
    return ask(post("agent", "/tasks", checked(tasks.TaskFields, fields)))


def get_task(task_id: str) -> Steps[tasks.Task]:
    """One task."""
    return ask(get("agent", _task(task_id)))


def update_task(task_id: str, **changes: Unpack[tasks.TaskChanges]) -> Steps[tasks.Task]:
    """Change what is named; `depends_on` is the whole new list."""
    return ask(patch("agent", _task(task_id), checked(tasks.TaskChanges, changes)))


def delete_task(task_id: str) -> Steps[tasks.Removed]:
    """Delete a task; refused while an execution is under way."""
    return ask(delete("agent", _task(task_id)))


def start_task(task_id: str) -> Steps[tasks.Task]:
    """Take a task as a person: no agent works on it."""
    return ask(post("agent", f"{_task(task_id)}/start", {}))


def complete_task(task_id: str, **fields: Unpack[tasks.CompleteFields]) -> Steps[tasks.Task]:
    """Agree with a result, or say that the task is done."""
    return ask(post("agent", f"{_task(task_id)}/complete", checked(tasks.CompleteFields, fields)))


def reopen_task(task_id: str, **fields: Unpack[tasks.ReopenFields]) -> Steps[tasks.Task]:
    """Make a task active again; its next execution is told `feedback`."""
    return ask(post("agent", f"{_task(task_id)}/reopen", checked(tasks.ReopenFields, fields)))


# Executions


def execute(**fields: Unpack[tasks.ExecuteFields]) -> Steps[tasks.ExecutionStarted]:
    """Make a task and have an agent begin with it. It goes on whatever becomes of this program."""
    return ask(post("agent", "/tasks/execute", checked(tasks.ExecuteFields, fields)))


def execute_stored(task_id: str, **fields: Unpack[tasks.ExecutionFields]) -> Steps[tasks.ExecutionStarted]:
    """Have an agent do a stored task, which has to be active and ready."""
    return ask(post("agent", f"{_task(task_id)}/execute", checked(tasks.ExecutionFields, fields)))


def wait_for_execution(
    execution: str | tasks.ExecutionStarted, *, timeout_ms: int | None = None
) -> Steps[tasks.ExecutionDetail]:
    """The execution when it has ended; TimeoutError when that takes longer, and the execution goes on."""
    execution_id = execution_id_of(execution)
    return until_ended(
        get_execution(execution_id), lambda: get_execution(execution_id), ENDED_EXECUTION, timeout_ms
    )


def clarify(task_id: str, answer: str, *, question_id: str | None = None) -> Steps[tasks.Execution]:
    """Answer what the agent asked; 409 `no_clarification` when nothing is asked."""
    fields = {"answer": answer} | ({} if question_id is None else {"question_id": question_id})
    body = checked(tasks.ClarificationFields, fields)
    return ask(post("agent", f"{_task(task_id)}/clarification/resume", body))


def execution_id_of(execution: str | tasks.ExecutionStarted) -> str:
    """Of an execution that is named, or of what `execute` has answered."""
    named = execution if isinstance(execution, str) else execution["execution_id"]
    return identifier("execution_id", named)


def _execution(execution_id: str) -> str:
    return f"/executions/{part('execution_id', execution_id)}"


def list_executions(**query: Unpack[tasks.ExecutionQuery]) -> Steps[tasks.ExecutionList]:
    """Executions, the newest first; `next_cursor` leads on."""
    return ask(get("agent", "/executions", checked(tasks.ExecutionQuery, query)))


def get_execution(execution_id: str) -> Steps[tasks.ExecutionDetail]:
    """One execution: progress, runs, usage, result, and what waits for a person."""
    return ask(get("agent", _execution(execution_id)))


def cancel_execution(execution_id: str) -> Steps[tasks.Execution]:
    """Ask for the end of an execution. May be asked any number of times."""
    return ask(post("agent", f"{_execution(execution_id)}/cancel", {}))


def pause_execution(execution_id: str) -> Steps[tasks.Execution]:
    """Let it stand still before its next step."""
    return ask(post("agent", f"{_execution(execution_id)}/pause", {}))


def resume_execution(execution_id: str, **fields: Unpack[tasks.ResumeFields]) -> Steps[tasks.Execution]:
    """Let it go on, with a larger budget if one is named."""
    return ask(post("agent", f"{_execution(execution_id)}/resume", checked(tasks.ResumeFields, fields)))


def get_execution_diff(execution_id: str) -> Steps[tasks.Diff]:
    """What it has changed in its directory, where that is a git repository."""
    return ask(get("agent", f"{_execution(execution_id)}/diff"))
