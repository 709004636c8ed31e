from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = "Projects and tasks"

    def ready(self) -> None:
        """Runs of executions get tools of their own, and workers drive the executions."""
        from conversations import sessions
        from conversations.runner import companions
        from conversations.tools import registry
        from tasks import executions
        from tasks.advance import KIT
        from tasks.runner import driver
        from tasks.tools.kit import task_tools

        sessions.lock_before_deletion(executions.lock_of_conversation)
        registry.add_kit(KIT, task_tools)
        companions.add(companions.Companion("executions", driver.work))
