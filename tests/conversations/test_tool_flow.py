"""Tools that steer a run, and the search in one's own conversations."""

import asyncio

import pytest

from conversations.core.tool_calls import Effect
from conversations.tools.ask_user import AskUser
from conversations.tools.base import InvalidArguments, Invocation
from conversations.tools.conversation_search import SearchConversations
from conversations.tools.files import EditFile, ReadFile, WriteFile
from conversations.tools.finish import FinishTask
from conversations.tools.grep import GrepSearch
from conversations.tools.listing import FindFiles, ListFiles
from conversations.tools.patch import ApplyPatch
from conversations.tools.todo import TodoWrite
from tests.factories import ConversationFactory, MessageFactory
from tests.tool_calls import workplace

WRITING = [WriteFile(), EditFile(), ApplyPatch()]
READING = [ReadFile(), ListFiles(), FindFiles(), GrepSearch(), SearchConversations()]
STEERING = [TodoWrite(), FinishTask(), AskUser()]


def name_of(tool: object) -> str:
    return type(tool).__name__


@pytest.mark.parametrize("tool", WRITING + READING + STEERING, ids=name_of)
def test_what_running_a_tool_twice_does_and_whether_it_changes_anything(tool):
    effects = {Effect.RECONCILABLE: WRITING, Effect.READ_ONLY: READING, Effect.IDEMPOTENT: STEERING}
    assert tool in effects[tool.effect]
    assert tool.changes_nothing is (tool not in WRITING)
    assert tool.spec.parameters["additionalProperties"] is False


async def result_of(tool, place, **arguments):
    tool.check(arguments)
    return await tool.run(Invocation("call", arguments, place))


async def test_a_list_of_tasks(tmp_path):
    todos = [{"content": "read", "status": "completed"}, {"content": "write", "status": "in_progress"}]
    result = await result_of(TodoWrite(), workplace(tmp_path), todos=todos)
    assert (result.todos, result.text) == (todos, "The list is stored: 1 in_progress, 1 completed.")
    assert (await result_of(TodoWrite(), workplace(tmp_path), todos=[])).todos == []


async def test_the_end_of_a_task(tmp_path):
    result = await result_of(FinishTask(), workplace(tmp_path), summary="All done.", status="done")
    assert (result.finish, result.text) == ({"summary": "All done.", "status": "done"}, "All done.")


async def test_a_question_is_not_for_the_tool_to_ask(tmp_path):
    with pytest.raises(NotImplementedError):
        await result_of(AskUser(), workplace(tmp_path), question="Which one?", options=["a", "b"])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (TodoWrite(), {"todos": [{"content": "x", "status": "later"}]}),
        (TodoWrite(), {"todos": [{"content": "", "status": "pending"}]}),
        (TodoWrite(), {"todos": "x"}),
        (FinishTask(), {"summary": "x", "status": "great"}),
        (FinishTask(), {"status": "done"}),
        (AskUser(), {"question": ""}),
        (AskUser(), {"question": "x", "options": [1]}),
        (SearchConversations(), {"query": ""}),
    ],
    ids=str,
)
def test_arguments_are_checked(tool, arguments):
    with pytest.raises(InvalidArguments):
        tool.check(arguments)


@pytest.mark.django_db(transaction=True)
def test_only_ones_own_conversations_are_searched(tmp_path):
    mine = ConversationFactory(title="Sewing")
    MessageFactory(conversation=mine, content="I lost a needle & 'more' of it")
    MessageFactory(content="somebody else's needle")
    place = workplace(tmp_path, owner_id=mine.owner_id)

    def found(query: str) -> str:
        return asyncio.run(result_of(SearchConversations(), place, query=query)).text

    text = found("needle")
    assert "a needle & 'more'" in text and f"user in {mine.session_id} (Sewing):" in text
    assert "somebody" not in text
    assert found("haystack") == "(No message has these words.)"
    MessageFactory.create_batch(25, conversation=mine, content="more needles")
    assert found("needle").endswith("(There are more: use further words.)")
