"""The groups of operations of `AsyncPenguinClient`."""

from typing import TYPE_CHECKING, Unpack

from penguin_sdk import _ads, _conversations, _tasks
from penguin_sdk._methods import AsyncGroup, waiting
from penguin_sdk.types import chat, tasks

if TYPE_CHECKING:  # imported when the first stream is made: a program that has none starts sooner
    from penguin_sdk._async_stream import AsyncChatEvents, AsyncTaskEvents


class AsyncSessions(AsyncGroup):
    """Talking with the businesses that a search has found."""

    start = waiting(_ads.start_session)
    message = waiting(_ads.send_session_message)
    end = waiting(_ads.end_session)
    feedback = waiting(_ads.send_session_feedback)


class AsyncChat(AsyncGroup):
    """Messages and their answers."""

    send = waiting(_conversations.send)
    enqueue = waiting(_conversations.enqueue)
    run = waiting(_conversations.get_run)
    runs = waiting(_conversations.list_runs)
    wait = waiting(_conversations.wait_for_run)
    cancel = waiting(_conversations.cancel_run)
    retry = waiting(_conversations.retry_run)

    def stream(self, text: str, **fields: Unpack[chat.MessageOptions]) -> "AsyncChatEvents":
        """Send a message and read the answer as it is written; it is sent with the first event that is asked for."""
        from penguin_sdk._async_stream import AsyncChatEvents
        from penguin_sdk._stream import ChatStream

        return AsyncChatEvents(self._run, self._config, ChatStream(_conversations.message(text, fields)))


class AsyncDecisions(AsyncGroup):
    """What waits for a person: a yes or no to a tool call, an answer to a question."""

    approvals = waiting(_conversations.list_approvals)
    approval = waiting(_conversations.get_approval)
    approve = waiting(_conversations.approve)
    deny = waiting(_conversations.deny)
    questions = waiting(_conversations.list_questions)
    answer = waiting(_conversations.answer_question)


class AsyncConversations(AsyncGroup):
    list = waiting(_conversations.list_conversations)
    create = waiting(_conversations.create_conversation)
    get = waiting(_conversations.get_conversation)
    update = waiting(_conversations.update_conversation)
    delete = waiting(_conversations.delete_conversation)
    search = waiting(_conversations.search_conversations)
    fork = waiting(_conversations.fork_conversation)


class AsyncProjects(AsyncGroup):
    list = waiting(_tasks.list_projects)
    create = waiting(_tasks.create_project)
    get = waiting(_tasks.get_project)
    update = waiting(_tasks.update_project)
    delete = waiting(_tasks.delete_project)
    run = waiting(_tasks.run_project)
    get_run = waiting(_tasks.get_project_run)
    cancel_run = waiting(_tasks.cancel_project_run)


class AsyncTasks(AsyncGroup):
    """Pieces of work, and agents that do them."""

    list = waiting(_tasks.list_tasks)
    create = waiting(_tasks.create_task)
    get = waiting(_tasks.get_task)
    update = waiting(_tasks.update_task)
    delete = waiting(_tasks.delete_task)
    start = waiting(_tasks.start_task)
    complete = waiting(_tasks.complete_task)
    reopen = waiting(_tasks.reopen_task)
    execute = waiting(_tasks.execute)
    execute_stored = waiting(_tasks.execute_stored)
    wait = waiting(_tasks.wait_for_execution)
    clarify = waiting(_tasks.clarify)
    executions = waiting(_tasks.list_executions)
    execution = waiting(_tasks.get_execution)
    cancel = waiting(_tasks.cancel_execution)
    pause = waiting(_tasks.pause_execution)
    resume = waiting(_tasks.resume_execution)
    diff = waiting(_tasks.get_execution_diff)

    def stream(self, execution: str | tasks.ExecutionStarted) -> "AsyncTaskEvents":
        """Watch an execution from its beginning to its end, also one that is over."""
        from penguin_sdk._async_stream import AsyncTaskEvents
        from penguin_sdk._stream import TaskStream

        return AsyncTaskEvents(self._run, self._config, TaskStream(_tasks.execution_id_of(execution)))


class AsyncUsage(AsyncGroup):
    """Tokens and cost."""

    get = waiting(_conversations.get_usage)
    session = waiting(_conversations.get_session_usage)


class AsyncContextFiles(AsyncGroup):
    list = waiting(_conversations.list_context_files)
    load = waiting(_conversations.load_context_file)
