"""Accepting a message: one statement stores conversation, message, run and event, or nothing.

The statement does the usual case whole, with every condition on the conversation's row it locks. When it stores nothing
(the conversation is busy, bound elsewhere, its queue is full, or the message was accepted before), sync code finds out
why and says so, or does what `on_busy` asks for. REST and the sockets accept through the same two steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg_pool import AsyncConnectionPool

from conversations import blocks, holds, log, runs
from conversations.core import cursors
from conversations.core.ids import new_epoch, new_session_id, uuid7
from conversations.core.log_events import EventType
from conversations.core.run_states import OPEN, WAITING, RunStatus
from conversations.directories import BoundDirectory
from conversations.live import hints, wire
from conversations.models import Conversation, Message, Run
from penguin_site.errors import Conflict, TooManyRequests

MOST_TRIES = 5
# A run that waits for a person will call its model again, too.
_STEERABLE = [RunStatus.RUNNING.value, *(status.value for status in sorted(WAITING))]


class Busy(Conflict):
    """A run of this conversation is under way."""

    code = "conversation_busy"


class DirectoryConflict(Conflict):
    """This session is bound to another directory."""

    code = "directory_conflict"


class IdempotencyMismatch(Conflict):
    """The same key was used before with another body."""

    code = "idempotency_mismatch"


class QueueFull(TooManyRequests):
    """Too many messages of this conversation are waiting: wait for an answer or cancel one."""

    code = "queue_full"


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """A message that passed every check that needs no lock."""

    owner_id: int
    text: str
    session_id: str | None = None  # None: a new conversation
    directory: BoundDirectory | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # of the run: model, agent_mode, limits, context
    parts: list[dict[str, Any]] = field(default_factory=list)  # images and files of the message
    on_busy: str = "enqueue"
    client_key: str | None = None
    body_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The run that answers the message. `seq` is the event that tells of it: a reader starts just before."""

    run_id: UUID
    conversation_id: int
    session_id: str
    epoch: str
    seq: int
    answer_id: UUID
    position: int
    message_id: UUID
    created_at: datetime
    is_new: bool = True
    steered: bool = False
    created: bool = False
    title: str | None = None  # where the message has made the conversation
    hold: str = ""  # why its run waits, beside its place in the queue

    def queued_payload(self) -> dict[str, Any]:
        """What the event `run.queued` holds in the log."""
        payload = {
            "message_id": str(self.message_id),
            "answer_id": str(self.answer_id),
            "position": self.position,
            "created": self.created,
            "title": self.title,
        }
        return {**payload, "hold": self.hold} if self.hold else payload


def queued_item(accepted: Accepted) -> wire.Item:
    """The event that tells readers of an accepted message, as it stands in the log."""
    return wire.event_item(
        accepted.conversation_id,
        accepted.seq,
        str(accepted.run_id),
        EventType.RUN_QUEUED,
        accepted.queued_payload(),
        created_at=accepted.created_at,
    )


ACCEPT = """
WITH place AS (
  INSERT INTO conversation AS c (owner_id, session_id, title, epoch, directory, directory_device, directory_inode,
                                 head_seq, queued_runs, open_runs, message_count)
  SELECT %(owner_id)s, %(session_id)s, %(title)s, %(epoch)s, %(directory)s, %(device)s, %(inode)s, 1, 1, 1, 1
  WHERE NOT EXISTS (SELECT 1 FROM user_block WHERE user_id = %(owner_id)s AND lifted_at IS NULL)
  ON CONFLICT (owner_id, session_id) DO UPDATE
  SET head_seq = c.head_seq + 1, queued_runs = c.queued_runs + 1, open_runs = c.open_runs + 1,
      message_count = c.message_count + 1, last_active = now(), archived = false,
      title = CASE WHEN c.title = '' THEN excluded.title ELSE c.title END,
      directory = coalesce(c.directory, excluded.directory),
      directory_device = coalesce(c.directory_device, excluded.directory_device),
      directory_inode = coalesce(c.directory_inode, excluded.directory_inode)
  WHERE c.queued_runs < %(queue_cap)s
    AND (excluded.directory IS NULL OR c.directory IS NULL
         OR (c.directory_device = excluded.directory_device AND c.directory_inode = excluded.directory_inode))
    AND (%(may_wait)s OR c.open_runs = 0)
  RETURNING c.id, c.epoch, c.head_seq, c.open_runs, xmax = 0 AS created
), said AS (
  INSERT INTO message (id, conversation_id, owner_id, run_id, turn, role, content, parts, client_key, body_hash)
  SELECT %(message_id)s, id, %(owner_id)s, %(run_id)s, head_seq, 'user', %(text)s, %(parts)s, %(client_key)s,
         %(body_hash)s FROM place
), queued AS (
  INSERT INTO run (id, conversation_id, owner_id, turn, status, hold, options, input_message_id, answer_message_id)
  SELECT %(run_id)s, id, %(owner_id)s, head_seq, 'queued', %(hold)s, %(options)s, %(message_id)s, %(answer_id)s
  FROM place
), told AS (
  INSERT INTO conversation_event (conversation_id, seq, run_id, type, payload)
  SELECT id, head_seq, %(run_id)s, 'run.queued',
         jsonb_build_object('message_id', %(message_id)s::text, 'answer_id', %(answer_id)s::text,
                            'position', open_runs - 1, 'created', created,
                            'title', CASE WHEN created THEN %(title)s::text END)
         || CASE WHEN %(hold)s <> '' THEN jsonb_build_object('hold', %(hold)s::text) ELSE '{}' END FROM place
)
SELECT id, epoch, head_seq, open_runs - 1, created, statement_timestamp() FROM place
"""


def title_of(text: str) -> str:
    """A conversation's first title: the beginning of its first message."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79].rstrip() + "…"


def _parameters(request: TurnRequest, run_id: UUID) -> dict[str, Any]:
    directory = request.directory
    return {
        "owner_id": request.owner_id,
        "session_id": request.session_id,
        "title": title_of(request.text),
        "epoch": new_epoch(),
        "directory": directory.path if directory else None,
        "device": directory.device if directory else None,
        "inode": directory.inode if directory else None,
        "queue_cap": settings.PENGUIN_QUEUE_CAP,
        "may_wait": request.on_busy == "enqueue",
        "message_id": uuid7(),
        "run_id": run_id,
        "answer_id": uuid7(),
        "text": request.text,
        "parts": orjson.dumps(request.parts).decode(),
        "options": orjson.dumps(request.options).decode(),
        "client_key": request.client_key,
        "body_hash": request.body_hash,
        "hold": holds.new_hold(),
    }


def _accepted(request: TurnRequest, parameters: Mapping[str, Any], row: tuple[Any, ...]) -> Accepted:
    conversation_id, epoch, seq, position, created, created_at = row
    return Accepted(
        run_id=parameters["run_id"],
        conversation_id=conversation_id,
        session_id=str(request.session_id),
        epoch=epoch,
        seq=seq,
        answer_id=parameters["answer_id"],
        position=position,
        message_id=parameters["message_id"],
        created_at=created_at,
        created=created,
        title=parameters["title"] if created else None,
        hold=parameters["hold"],
    )


def _named(request: TurnRequest) -> TurnRequest:
    if request.session_id:
        return request
    return replace(request, session_id=new_session_id(timezone.now()))


async def accept_turn(pool: AsyncConnectionPool, request: TurnRequest, run_id: UUID) -> Accepted:
    """Stores the message and its run, committed when this returns; hints are the caller's.

    Raises `Blocked`, `Busy`, `DirectoryConflict`, `QueueFull`, `IdempotencyMismatch`. A repeated message gets its
    first run again (`is_new` false), a steering one the run it went into.
    """
    named = _named(request)
    for _ in range(MOST_TRIES):
        parameters = _parameters(named, run_id)
        try:
            async with pool.connection() as database:
                cursor = await database.execute(ACCEPT, parameters, prepare=True)
                row = await cursor.fetchone()
        except psycopg.errors.UniqueViolation:
            row = None
        if row:
            return _accepted(named, parameters, row)
        settled = await database_sync_to_async(settle, thread_sensitive=False)(request, named)
        if isinstance(settled, Accepted):
            return settled
        named = settled
    raise Busy


def accept_turn_sync(request: TurnRequest, run_id: UUID) -> Accepted:
    """`accept_turn` for sync code; not inside a transaction of the caller's."""
    named = _named(request)
    for _ in range(MOST_TRIES):
        parameters = _parameters(named, run_id)
        try:
            with connection.cursor() as cursor:
                cursor.execute(ACCEPT, parameters)
                row = cursor.fetchone()
        except IntegrityError as error:
            if not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise
            row = None
        if row:
            return _accepted(named, parameters, row)
        settled = settle(request, named)
        if isinstance(settled, Accepted):
            return settled
        named = settled
    raise Busy


def accept_turn_inside(request: TurnRequest, run_id: UUID) -> Accepted:
    """`accept_turn` inside the caller's transaction, for a request without `client_key`; it takes the conversation's
    lock, and tells workers and readers after the commit."""
    named = _named(request)
    for _ in range(MOST_TRIES):
        parameters = _parameters(named, run_id)
        with connection.cursor() as cursor:
            cursor.execute(ACCEPT, parameters)
            row = cursor.fetchone()
        if row:
            return _announced(_accepted(named, parameters, row))
        settled = settle(request, named)
        assert isinstance(settled, TurnRequest)
        named = settled
    raise Busy


def _announced(accepted: Accepted) -> Accepted:
    transaction.on_commit(lambda: hints.announce(queued_item(accepted)), robust=True)
    return accepted


def settle(request: TurnRequest, named: TurnRequest) -> Accepted | TurnRequest:
    """Why nothing was stored: the run there is already, an error, or the request to try again with."""
    if request.client_key and (known := _known_message(request)):
        return known
    blocks.check_may_write(request.owner_id)
    conversation = Conversation.objects.filter(owner_id=request.owner_id, session_id=named.session_id).first()
    if conversation is None:
        return named
    check_directory(conversation, request.directory)
    if conversation.open_runs and request.on_busy != "enqueue":
        # Into a run that is under way nothing goes unchecked: where messages wait for a check it is queued instead.
        if request.on_busy == "steer" and not holds.new_hold():
            try:
                if steered := _steer(conversation, request):
                    return steered
            except IntegrityError:  # the same message came twice at once: the next try finds the other one
                return named
        active = conversation.runs.filter(status__in=[s.value for s in OPEN]).order_by("turn").first()
        if active and request.on_busy == "reject":
            raise Busy(
                run_id=str(active.id), cursor=cursors.encode(conversation.epoch, conversation.head_seq)
            )
        if active and request.on_busy == "interrupt":
            runs.cancel_run(run=active, now=timezone.now())
        named = replace(named, on_busy="enqueue" if request.on_busy != "reject" else "reject")
    if conversation.queued_runs >= settings.PENGUIN_QUEUE_CAP:
        raise QueueFull(retry_after_seconds=5)
    return named


def _known_message(request: TurnRequest) -> Accepted | None:
    message = (
        Message.objects.filter(owner_id=request.owner_id, client_key=request.client_key)
        .select_related("conversation")
        .first()
    )
    if message is None:
        return None
    if bytes(message.body_hash or b"") != request.body_hash:
        raise IdempotencyMismatch
    run = Run.objects.get(id=message.run_id)
    return _of_run(run, message.conversation, is_new=False, steered=message.step > 0)


def _of_run(run: Run, conversation: Conversation, *, is_new: bool, steered: bool) -> Accepted:
    return Accepted(
        run_id=run.id,
        conversation_id=conversation.pk,
        session_id=conversation.session_id,
        epoch=conversation.epoch,
        seq=run.turn,
        answer_id=run.answer_message_id,
        position=0,
        message_id=run.input_message_id,
        created_at=run.created_at,
        is_new=is_new,
        steered=steered,
    )


def check_directory(conversation: Conversation, directory: BoundDirectory | None) -> None:
    """DirectoryConflict when the session is bound to another one."""
    if directory is None or conversation.directory is None:
        return
    if (conversation.directory_device, conversation.directory_inode) != (directory.device, directory.inode):
        raise DirectoryConflict


def _steer(conversation: Conversation, request: TurnRequest) -> Accepted | None:
    """Puts the message into the running run, before its next model call; None when none is running any more."""
    with transaction.atomic():
        locked = Conversation.objects.select_for_update().get(pk=conversation.pk)
        run = locked.runs.filter(status__in=_STEERABLE).first()
        if run is None:
            return None
        message = Message.objects.create(
            conversation=locked,
            owner_id=request.owner_id,
            run_id=run.id,
            turn=run.turn,
            step=run.steered + 1,
            role=Message.Role.USER,
            content=request.text,
            parts=request.parts,
            client_key=request.client_key,
            body_hash=request.body_hash,
        )
        Run.objects.filter(id=run.id).update(steered=run.steered + 1)
        Conversation.objects.filter(pk=locked.pk).update(message_count=locked.message_count + 1)
        seq = log.append(
            locked.pk,
            EventType.MESSAGE_STEERED,
            {"message_id": str(message.id)},
            run_id=run.id,
            attempt=run.attempt,
        )
        return replace(_of_run(run, locked, is_new=True, steered=True), seq=seq)
