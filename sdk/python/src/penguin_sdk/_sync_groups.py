"""The groups of operations of `PenguinClient`."""

from typing import TYPE_CHECKING, Unpack

from penguin_sdk import _ads, _conversations, _tasks
from penguin_sdk._methods import Group, blocking
from penguin_sdk.types import chat, tasks

if TYPE_CHECKING:  # imported when the first stream is made: a program that has none starts sooner
    from penguin_sdk._sync_stream import ChatEvents, TaskEvents


class Sessions(Group):
    """Talking with the businesses that a search has found."""

    start = blocking(_ads.start_session)
    message = blocking(_ads.send_session_message)
    end = blocking(_ads.end_session)
    feedback = blocking(_ads.send_session_feedback)


class Chat(Group):
    """Messages and their answers."""

    send = blocking(_conversations.send)
    enqueue = blocking(_conversations.enqueue)
    run = blocking(_conversations.get_run)
    runs = blocking(_conversations.list_runs)
    wait = blocking(_conversations.wait_for_run)
    cancel = blocking(_conversations.cancel_run)
    retry = blocking(_conversations.retry_run)

    def stream(self, text: str, **fields: Unpack[chat.MessageOptions]) -> "ChatEvents":
        """Send a message and read the answer as it is written; it is sent with the first event that is asked for."""
        from penguin_sdk._stream import ChatStream
        from penguin_sdk._sync_stream import ChatEvents

        return ChatEvents(self._run, self._config, ChatStream(_conversations.message(text, fields)))


class Decisions(Group):
    """What waits for a person: a yes or no to a tool call, an answer to a question."""

    approvals = blocking(_conversations.list_approvals)
    approval = blocking(_conversations.get_approval)
    approve = blocking(_conversations.approve)
    deny = blocking(_conversations.deny)
    questions = blocking(_conversations.list_questions)
    answer = blocking(_conversations.answer_question)


class Conversations(Group):
    list = blocking(_conversations.list_conversations)
    create = blocking(_conversations.create_conversation)
    get = blocking(_conversations.get_conversation)
    update = blocking(_conversations.update_conversation)
    delete = blocking(_conversations.delete_conversation)
    search = blocking(_conversations.search_conversations)
    fork = blocking(_conversations.fork_conversation)


class Projects(Group):
    list = blocking(_tasks.list_projects)
    create = blocking(_tasks.create_project)
    get = blocking(_tasks.get_project)
    update = blocking(_tasks.update_project)
    delete = blocking(_tasks.delete_project)
    run = blocking(_tasks.run_project)
    get_run = blocking(_tasks.get_project_run)
    cancel_run = blocking(_tasks.cancel_project_run)


class Tasks(Group):
    """Pieces of work, and agents that do them."""

    list = blocking(_tasks.list_tasks)
    create = blocking(_tasks.create_task)
    get = blocking(_tasks.get_task)
    update = blocking(_tasks.update_task)
    delete = blocking(_tasks.delete_task)
    start = blocking(_tasks.start_task)
    complete = blocking(_tasks.complete_task)
    reopen = blocking(_tasks.reopen_task)
    execute = blocking(_tasks.execute)
    execute_stored = blocking(_tasks.execute_stored)
    wait = blocking(_tasks.wait_for_execution)
    clarify = blocking(_tasks.clarify)
    executions = blocking(_tasks.list_executions)
    execution = blocking(_tasks.get_execution)
    cancel = blocking(_tasks.cancel_execution)
    pause = blocking(_tasks.pause_execution)
    resume = blocking(_tasks.resume_execution)
    diff = blocking(_tasks.get_execution_diff)

    def stream(self, execution: str | tasks.ExecutionStarted) -> "TaskEvents":
        """Watch an execution from its beginning to its end, also one that is over."""
        from penguin_sdk._stream import TaskStream
        from penguin_sdk._sync_stream import TaskEvents

        return TaskEvents(self._run, self._config, TaskStream(_tasks.execution_id_of(execution)))


class Usage(Group):
    """Tokens and cost."""

    get = blocking(_conversations.get_usage)
    session = blocking(_conversations.get_session_usage)


class ContextFiles(Group):
    list = blocking(_conversations.list_context_files)
    load = blocking(_conversations.load_context_file)
