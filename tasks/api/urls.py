"""Routes of projects and tasks, beneath `/api/v1/`."""

from django.urls import path

from tasks.api import diffs, executions, project_runs, projects, schedules, starts, task_moves, tasks

urlpatterns = [
    path("projects", projects.ProjectList.as_view()),
    path("projects/<uuid:project_id>", projects.ProjectDetail.as_view()),
    path("projects/<uuid:project_id>/run", project_runs.ProjectRunView.as_view()),
    path("projects/<uuid:project_id>/run/cancel", project_runs.ProjectRunCancel.as_view()),
    path("tasks/execute", starts.TaskExecute.as_view()),
    path("tasks/execute-sync", starts.TaskExecuteSync.as_view()),
    path("tasks", tasks.TaskList.as_view()),
    path("tasks/<uuid:task_id>", tasks.TaskDetail.as_view()),
    path("tasks/<uuid:task_id>/start", task_moves.TaskStart.as_view()),
    path("tasks/<uuid:task_id>/execute", starts.StoredTaskExecute.as_view()),
    path("tasks/<uuid:task_id>/clarification/resume", executions.ClarificationResume.as_view()),
    path("executions", executions.ExecutionList.as_view()),
    path("executions/<uuid:execution_id>", executions.ExecutionDetail.as_view()),
    path("executions/<uuid:execution_id>/cancel", executions.ExecutionCancel.as_view()),
    path("executions/<uuid:execution_id>/pause", executions.ExecutionPause.as_view()),
    path("executions/<uuid:execution_id>/resume", executions.ExecutionResume.as_view()),
    path("executions/<uuid:execution_id>/diff", diffs.ExecutionDiffView.as_view()),
    path("schedules", schedules.ScheduleList.as_view()),
    path("schedules/<uuid:schedule_id>", schedules.ScheduleDetail.as_view()),
    path("tasks/<uuid:task_id>/complete", task_moves.TaskComplete.as_view()),
    path("tasks/<uuid:task_id>/reopen", task_moves.TaskReopen.as_view()),
]
