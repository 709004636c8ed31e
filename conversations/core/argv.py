"""A shell line taken apart into its simple commands, where that can be told without running anything.

Rules and grants speak about commands ("pytest"), tools get lines ("cd api && pytest -q 2>&1 | tail"). A line is only
taken apart when every word of it means itself: whatever a shell would expand, look up, read from elsewhere or hand to
another command makes the whole line unreadable (None), and then a person is asked: who understands less than the shell
must not pretend. What is accepted here, `bash` and a POSIX `sh` read alike.
"""

import re

Argv = tuple[str, ...]

# Nobody reads longer lines before approving them; a here-document in disguise.
MAX_LENGTH = 16_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Grammar, not commands, in the place of a command's name.
_RESERVED = _names(
    "! [[ ]] { } case coproc do done elif else esac fi for function if in select then time until while"
)
# They run what their arguments (or their input) say.
_RUN_OTHERS = _names(
    """. source eval exec command builtin env sudo sudoedit doas su runuser setpriv pkexec xargs parallel nohup nice
    ionice chrt taskset numactl prlimit timeout setsid stdbuf unbuffer script expect watch entr flock strace ltrace gdb
    perf catchsegv chroot unshare nsenter bwrap firejail fakeroot busybox toybox setarch linux32 linux64 systemd-run
    start-stop-daemon at batch crontab ssh dbus-run-session xvfb-run"""
)
# They change what later commands of the line mean.
_CHANGE_OTHERS = _names(
    """alias unalias set shopt trap export declare typeset local readonly unset read mapfile readarray enable hash
    getopts let bind complete compgen compopt fc history"""
)
_SHELLS = _names("sh bash dash zsh ksh mksh ash fish csh tcsh rbash pwsh")
# Words of `find` with which it does more than find.
_FIND_ACTS = _names("-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls")

# Unquoted, a shell may expand these, or open a group with them.
_EXPANDING = frozenset("$`*?[(){}")
_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_SEPARATOR = re.compile(r"&&|\|\||\|&|[;&|\n]")
# The descriptor alone, or joined with another one; and the one file that is none.
_REDIRECTION = re.compile(r"(?:>>?|<)[ \t]*/dev/null(?=[\s;&|<>]|$)|[<>]&(?:\d|-)(?=[\s;&|<>]|$)")


class _Unreadable(Exception):
    """The line cannot be taken apart."""


def parse(line: str) -> tuple[Argv, ...] | None:
    """The simple commands of `line` in their order, or None when they cannot be told statically."""
    if len(line) > MAX_LENGTH:
        return None
    try:
        commands = _commands(line)
    except _Unreadable:
        return None
    return commands if commands and all(map(_acts_for_itself, commands)) else None


def _commands(line: str) -> tuple[Argv, ...]:
    commands: list[Argv] = []
    words: list[str] = []
    place = 0
    must_follow = False  # after && || and |, a command has to come
    while place < len(line):
        if blank := _BLANK.match(line, place):
            place = blank.end()
        elif line[place] == "#":
            end = line.find("\n", place)
            place = end if end >= 0 else len(line)
        elif redirection := _redirection(line, place):
            place = redirection
        elif separator := _SEPARATOR.match(line, place):
            sign, place = separator[0], separator.end()
            if words:
                commands.append(tuple(words))
                words = []
                must_follow = sign in {"&&", "||", "|", "|&"}
            elif sign != "\n":
                raise _Unreadable
        else:
            word, place = _word(line, place, is_name=not words)
            words.append(word)
    if words:
        commands.append(tuple(words))
    elif must_follow:
        raise _Unreadable
    return tuple(commands)


def _redirection(line: str, place: int) -> int | None:
    """Where a harmless redirection at `place` ends; None when there is none. Files are not harmless."""
    start = place + 1 if line[place].isdigit() and line[place + 1 : place + 2] in {"<", ">"} else place
    found = _REDIRECTION.match(line, start)
    if found:
        return found.end()
    if line[start] in "<>" or line.startswith("&>", start):
        raise _Unreadable
    return None


def _word(line: str, place: int, *, is_name: bool) -> tuple[str, int]:
    """The word that begins at `place`, its quotes removed, and where it ends."""
    text: list[str] = []
    start = place
    while place < len(line):
        sign = line[place]
        if sign in " \t\n;&|<>":
            break
        if sign == "'":
            end = line.find("'", place + 1)
            piece, place = (line[place + 1 : end], end + 1) if end > 0 else _unreadable()
        elif sign == '"':
            piece, place = _double_quoted(line, place + 1)
        elif sign == "\\":
            piece, place = _escaped(line, place + 1)
        elif _means_more(sign, before=line[place - 1] if place > start else "", is_name=is_name):
            raise _Unreadable
        else:
            piece, place = sign, place + 1
        text.append(piece)
    word = "".join(text)
    if "\0" in word:
        raise _Unreadable
    # "2" directly before ">" would be a descriptor of several digits, or a word that looks like one.
    if place < len(line) and line[place] in "<>" and word.isdigit():
        raise _Unreadable
    return word, place


def _means_more(sign: str, *, before: str, is_name: bool) -> bool:
    """Whether an unquoted character may stand for something else than itself."""
    if sign == "~":
        return before in {"", "=", ":"}
    if sign == "=":  # in the place of a name: a variable for the command, PATH=. and the like
        return is_name
    return sign in _EXPANDING or not sign.isprintable()


def _double_quoted(line: str, place: int) -> tuple[str, int]:
    text: list[str] = []
    while place < len(line):
        sign = line[place]
        if sign == '"':
            return "".join(text), place + 1
        if sign in "$`":
            break
        if sign == "\\" and line[place + 1 : place + 2] in {"$", "`", '"', "\\", "\n"}:
            sign, place = line[place + 1].replace("\n", ""), place + 1
        text.append(sign)
        place += 1
    raise _Unreadable


def _escaped(line: str, place: int) -> tuple[str, int]:
    if place >= len(line):
        raise _Unreadable
    return ("" if line[place] == "\n" else line[place]), place + 1


def _unreadable() -> tuple[str, int]:
    raise _Unreadable


def _acts_for_itself(argv: Argv) -> bool:
    """Whether the command is what its first word says, and leaves the meaning of the others alone."""
    name = argv[0].rpartition("/")[2]
    if not name or name in _RESERVED or name in _RUN_OTHERS or name in _CHANGE_OTHERS:
        return False
    if name in _SHELLS:
        # A script is a command like others; options may bring code, and without a script it is read from the input.
        return len(argv) > 1 and not argv[1].startswith(("-", "+", "/dev/", "/proc/"))
    if name == "printf":
        return "-v" not in argv[1:2]
    return name != "find" or _FIND_ACTS.isdisjoint(argv)
