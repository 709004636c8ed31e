"""Which tools a run is offered, and how: as native tool calls, as text, or not at all."""

from collections.abc import Callable, Sequence
from functools import cache

from django.conf import settings
from django.contrib.auth import get_user_model

from conversations.core import action_xml
from conversations.core.token_estimate import request_tokens
from conversations.llm.wire import ModelInfo, ToolSpec
from conversations.mcp import tools as mcp_tools
from conversations.tools.ask_user import AskUser
from conversations.tools.base import Tool
from conversations.tools.commands import ExecuteCommand
from conversations.tools.conversation_search import SearchConversations
from conversations.tools.fetch_url import FetchUrl
from conversations.tools.files import EditFile, ReadFile, WriteFile
from conversations.tools.finish import FinishTask
from conversations.tools.grep import GrepSearch
from conversations.tools.listing import FindFiles, ListFiles
from conversations.tools.patch import ApplyPatch
from conversations.tools.processes import ProcessPoll, ProcessStart, ProcessStop, ProcessWriteStdin
from conversations.tools.todo import TodoWrite

# Of a model's context window, the tools may take so much: what was said needs the rest.
MOST_OF_WINDOW = 0.4
ASK_USER = AskUser.name
FINISH_TASK = FinishTask.name


class Toolbox:
    """The tools of one run. `as_text`: the model has no native calls and writes them as tags."""

    def __init__(self, tools: Sequence[Tool], *, as_text: bool = False) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.as_text = as_text and bool(self._tools)

    @property
    def names(self) -> list[str]:
        return list(self._tools)

    def find(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    def tokens(self) -> int:
        """About how much of a request their descriptions take."""
        return request_tokens([], tools=[spec.tokens for spec in self.specs()])

    def instructions(self) -> str:
        """What the system prompt says about the tools; native ones explain themselves."""
        return action_xml.instructions(self.specs()) if self.as_text else ""


@cache
def built_in() -> tuple[Tool, ...]:
    """Every tool of our own that this server offers."""
    files = (ReadFile(), WriteFile(), EditFile(), ApplyPatch(), ListFiles(), FindFiles(), GrepSearch())
    shell = (ExecuteCommand(), ProcessStart(), ProcessPoll(), ProcessWriteStdin(), ProcessStop())
    flow = (TodoWrite(), AskUser(), FinishTask(), SearchConversations())
    web = (FetchUrl(),) if settings.PENGUIN_WEB_TOOLS else ()
    return (*files, *shell, *flow, *web)


_kits: dict[str, Callable[[], Sequence[Tool]]] = {}


def add_kit(name: str, tools: Callable[[], Sequence[Tool]]) -> None:
    """Tools of another app, for the runs whose option `kit` names them. A tool of the same name is replaced."""
    _kits[name] = tools


def _of_kit(name: str) -> Sequence[Tool]:
    return _kits[name]() if name else ()


def find(name: str) -> Tool | None:
    """A tool of our own by its name."""
    ours = [*built_in(), *(tool for kit in _kits for tool in _of_kit(kit))]
    return next((tool for tool in ours if tool.name == name), None)


def may_call_tools(model: ModelInfo) -> bool:
    """Whether this server offers the model tools."""
    setting = settings.PENGUIN_TOOL_CALLS
    if setting == "native":
        return model.tools
    return setting == "xml" or (setting == "auto" and not model.is_local)


async def _foreign(owner_id: int, *, is_local_owner: bool) -> list[Tool]:
    """The tools of the MCP servers that are meant for this person."""
    if not settings.PENGUIN_MCP_SERVERS:
        return []
    user = await get_user_model().objects.aget(pk=owner_id)
    return await mcp_tools.tools_for(user.get_username(), is_local_owner=is_local_owner)


async def toolbox_for(
    model: ModelInfo, *, owner_id: int, is_local_owner: bool, plan_only: bool, kit: str = ""
) -> Toolbox:
    """The tools for one run of a person; in plan mode those that change nothing; none that fill the model's window."""
    if not may_call_tools(model):
        return Toolbox([])
    tools = [*built_in(), *_of_kit(kit), *await _foreign(owner_id, is_local_owner=is_local_owner)]
    as_text = settings.PENGUIN_TOOL_CALLS == "xml" or not model.tools
    toolbox = Toolbox([tool for tool in tools if tool.changes_nothing or not plan_only], as_text=as_text)
    return toolbox if toolbox.tokens() <= model.context_window * MOST_OF_WINDOW else Toolbox([])
