"""What staff see and do of people's work: a module for each thing they look after. Each look is audited."""

from tasks.admin import executions, projects, tasks

__all__ = ["executions", "projects", "tasks"]
