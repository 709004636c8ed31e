"""Who answers for the business in a session: a script, or what the site hands in (a language model, say).

Nothing here calls a model. The site installs a responder when a process starts; when that fails or has nothing to say,
the script answers.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ads.core import session_scripts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a responder knows: who speaks for whom, what is asked for, what is known, and what was said, oldest first.

    `said` are pairs of "user" or "business" and a text. It is empty when a session begins: then a greeting is wanted.
    Everything the user has said is untrusted.
    """

    sponsor: str
    offer: str
    required_fields: Sequence[str]
    data: Mapping[str, object]
    said: Sequence[tuple[str, str]]

    @property
    def missing(self) -> list[str]:
        return session_scripts.pending(self.required_fields, self.data)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the business answers, and what it has learned. `data` holds required fields only; others are dropped."""

    text: str
    data: Mapping[str, object] = field(default_factory=dict)
    tokens: int = 0
    cost_micros: int = 0


class Responder(Protocol):
    """May take its time: no transaction is open while it answers. None: the script is to answer."""

    def reply(self, talk: Talk) -> Reply | None: ...


class ScriptedResponder:
    """Takes each message as the answer to what was asked last."""

    def reply(self, talk: Talk) -> Reply:
        if not talk.said:
            return Reply(session_scripts.greeting(talk.sponsor, talk.offer, talk.missing))
        learned = session_scripts.answers_in(talk.said[-1][1], talk.missing)
        missing = session_scripts.pending(talk.required_fields, {**talk.data, **learned})
        return Reply(session_scripts.request_for(missing), learned)


_script = ScriptedResponder()
_installed: Responder = _script


def install(responder: Responder | None) -> None:
    """From now on `responder` answers in this process; None: the script again."""
    global _installed
    _installed = responder or _script


def answer(talk: Talk) -> Reply:
    """The installed responder's reply, or the script's when that one fails or leaves it to the script."""
    try:
        reply = _installed.reply(talk)
    except Exception:
        logger.exception("The responder of sessions failed; the script answers.")
        reply = None
    if reply is None:
        return _script.reply(talk)
    wanted = {name: value for name, value in reply.data.items() if name in talk.required_fields}
    return Reply(reply.text, wanted, max(0, reply.tokens), max(0, reply.cost_micros))
