"""What workers last found out about the MCP servers of the settings file."""

from django.db import models


class McpServerState(models.Model):
    """How one server did when a worker last heard of it; the last word of any worker stands."""

    name = models.CharField(primary_key=True, max_length=64)
    tools = models.IntegerField(null=True, help_text="How many it offers; empty while it is not reached.")
    problem = models.TextField(blank=True, help_text="Why its tools are missing.")
    told_at = models.DateTimeField()

    class Meta:
        db_table = "mcp_server_state"

    def __str__(self) -> str:
        return f"{self.name}: {self.problem or 'reached'}"
