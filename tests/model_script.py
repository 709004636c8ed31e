"""What the scripted model does, read from the text of the user's last message.

`[[name key=value ...]]` anywhere in that text is a directive; what is left of it is the text proper. Without one the
model answers at once with `default_answer`. `step=2` in a directive: only after two rounds of tool calls. Directives
work in the order they stand:

    [[tokens=40 delay=20]]        40 pieces made from the text (`token_texts`), one each 20 ms
    [[echo delay=5]]              the text proper, word by word
    [[reasoning=3]]               three pieces of reasoning
    [[tool name=read_file arguments={"path":"a"} step=0]]   a tool call, at that step of the run only
    [[pause=500]]                 nothing for that long
    [[hold=NAME]]                 nothing until `POST /__release/NAME`; later requests do not wait for it again
    [[silence]]                   an answer without a word
    [[usage input=9 output=3 reasoning=1 cached=2]]  [[finish=length]]  [[model_delay=300]] before the first byte
    [[error=429 retry_after=1 times=2 code=x message=y]]     an HTTP error, for the first `times` requests (0: always)
    [[overflow]]  [[stream_error=server_error]]  [[bad_json]]  [[mangled]]  [[hang]]  [[cut times=1]]
    [[no_done]]  [[no_blank]]  [[crlf]]  [[comments]]  [[split=7]]  [[plain]]           how the answer is framed
"""

import hashlib
import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

_DIRECTIVE = re.compile(r"\[\[(.*?)\]\](?!\])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of an answer, `delay_ms` after the one before it."""

    kind: str  # text, reasoning, tool, pause, hold, bad_json, stream_error, hang, cut
    value: Any = ""
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class HttpError:
    status: int
    code: str
    message: str
    retry_after: str = ""
    times: int = 0


@dataclass(slots=True)
class Script:
    text: str
    pieces: list[Piece] = field(default_factory=list)
    error: HttpError | None = None
    usage: dict[str, int] = field(default_factory=dict)
    finish: str = "stop"
    model_delay_ms: float = 0.0
    framing: dict[str, str] = field(default_factory=dict)
    cut_times: int = 0

    @property
    def answer(self) -> str:
        return "".join(piece.value for piece in self.pieces if piece.kind == "text")


def script_for(
    user_text: str, *, user_messages: int = 1, step: int = 0, tool_results: tuple[str, ...] = ()
) -> Script:
    """`step` counts the model's tool-calling messages since the user's last one."""
    script = Script(_DIRECTIVE.sub("", user_text).strip())
    for match in _DIRECTIVE.finditer(user_text):
        _apply(script, _arguments(match.group(1)), step)
    if not any(
        piece.kind in ("text", "tool", "hang", "cut", "bad_json", "stream_error") for piece in script.pieces
    ):
        text = (
            f"Tools said: {' | '.join(tool_results)}"
            if tool_results
            else default_answer(script.text, user_messages)
        )
        script.pieces += [Piece("text", word) for word in words(text)]
    return script


def default_answer(text: str, user_messages: int = 1) -> str:
    return f"You said «{text}» in message {user_messages}. 🐧 Ça va, 世界!"


def token_texts(text: str, count: int) -> list[str]:
    """Pieces that stand for this text alone, with characters of one to four bytes."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return [f"{digest}.{number}{'ÿ世🐧'[number % 3]} " for number in range(count)]


def words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+", text)


def _arguments(directive: str) -> dict[str, str]:
    """`name=value key=value`; a JSON object as a value may hold blanks and quotes."""
    found: dict[str, str] = {}
    directive = directive.strip()
    if match := re.search(r"(\w+)=(\{.*\})", directive, re.DOTALL):
        found[match[1]] = match[2]
        directive = directive.replace(match[0], "")
    for number, word in enumerate(shlex.split(directive)):
        key, equals, value = word.partition("=")
        if number == 0:
            found = {"directive": key, "value": value if equals else "", **found}
        else:
            found[key] = value
    return found


def _apply(script: Script, given: dict[str, str], step: int) -> None:
    name, value = given["directive"], given["value"]
    delay = float(given.get("delay", 0))
    if name != "tool" and int(given.get("step", step)) != step:
        return
    if name == "tokens":
        script.pieces += [Piece("text", text, delay) for text in token_texts(script.text, int(value))]
    elif name == "echo":
        script.pieces += [Piece("text", word, delay) for word in words(script.text)]
    elif name == "reasoning":
        script.pieces += [Piece("reasoning", f"thought {i} 🤔 ", delay) for i in range(int(value or 1))]
    elif name == "tool":
        if step == int(given.get("step", 0)):
            call = {"name": given["name"], "arguments": given.get("arguments", "{}")}
            script.pieces.append(Piece("tool", call, delay))
            script.finish = "tool_calls"
    elif name == "silence":
        script.pieces.append(Piece("text", ""))
    elif name == "pause":
        script.pieces.append(Piece("pause", "", float(value)))
    elif name in ("hold", "hang", "bad_json", "stream_error"):
        script.pieces.append(Piece(name, value, delay))
    elif name == "cut":
        script.pieces.append(Piece("cut", "", delay))
        script.cut_times = int(given.get("times", 0))
    elif name == "mangled":
        script.framing["mangled"] = "1"
        script.pieces += [Piece("text", half) for half in ("a\ud83d", "\udc27b", "\x00", "\ud800", "end")]
    elif name == "usage":
        script.usage = {
            key: int(number) for key, number in given.items() if key not in ("directive", "value")
        }
    elif name == "finish":
        script.finish = value
    elif name == "model_delay":
        script.model_delay_ms = float(value)
    elif name == "error":
        status = int(value)
        script.error = HttpError(
            status,
            given.get("code", "scripted_error"),
            given.get("message", f"scripted error {status}"),
            given.get("retry_after", ""),
            int(given.get("times", 0)),
        )
    elif name == "overflow":
        message = "This model's maximum context length is 8 tokens. However, your messages have 9 tokens."
        script.error = HttpError(400, "context_length_exceeded", message, times=int(given.get("times", 0)))
    elif name in ("no_done", "no_blank", "crlf", "comments", "split", "plain"):
        script.framing[name] = value or "1"
    else:
        raise ValueError(f"The scripted model knows no directive {json.dumps(name)}.")
