"""A shell line taken apart: what is accepted means exactly this to a shell, and everything else is refused."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.argv import MAX_LENGTH, parse


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("pytest -q", [["pytest", "-q"]]),
        ("  ls\t-l  ", [["ls", "-l"]]),
        ("a && b; c || d & e", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("a | b |& c", [["a"], ["b"], ["c"]]),
        ("a\n\nb\n", [["a"], ["b"]]),
        ("a &&\n\n b", [["a"], ["b"]]),
        ("a;", [["a"]]),
        ("a &", [["a"]]),
        ("git commit -m 'two words'", [["git", "commit", "-m", "two words"]]),
        ('git commit -m "it\'s \\"so\\" \\\\ \\n"', [["git", "commit", "-m", 'it\'s "so" \\ \\n']]),
        ("echo a\\ b\\;c", [["echo", "a b;c"]]),
        ("echo 'a'\"b\"c", [["echo", "abc"]]),
        ("echo ''", [["echo", ""]]),
        ("echo 'a\nb'", [["echo", "a\nb"]]),
        ("echo a \\\n b", [["echo", "a", "b"]]),
        ("echo a\\\nb", [["echo", "ab"]]),
        ("echo a # rm -rf / \nls", [["echo", "a"], ["ls"]]),
        ("echo a#b", [["echo", "a#b"]]),
        ("make prefix=/usr", [["make", "prefix=/usr"]]),  # an argument, not a variable
        ("git show HEAD~1", [["git", "show", "HEAD~1"]]),
        ("pytest 2>&1 | tail", [["pytest"], ["tail"]]),
        ("echo no >&2", [["echo", "no"]]),
        ("ls 2>/dev/null >/dev/null", [["ls"]]),
        ("ls > /dev/null; pwd", [["ls"], ["pwd"]]),
        ("cat </dev/null", [["cat"]]),
        ("bash scripts/test.sh -v", [["bash", "scripts/test.sh", "-v"]]),
        ("find . -name test_it.py", [["find", ".", "-name", "test_it.py"]]),
        ("printf %s x", [["printf", "%s", "x"]]),
        ("echo ünïcode", [["echo", "ünïcode"]]),
    ],
)
def test_lines_that_mean_what_they_say(line, commands):
    assert parse(line) == tuple(tuple(argv) for argv in commands)


@pytest.mark.parametrize(
    "line",
    [
        # nothing
        "",
        "   ",
        "# a comment",
        # what the shell would put in
        "echo $HOME",
        'echo "$HOME"',
        "echo $(rm -rf x)",
        'echo "$(rm x)"',
        "echo `rm x`",
        'echo "`rm x`"',
        "echo $((1+1))",
        "echo $'a'",
        "echo *",
        "echo a?",
        "echo [ab]",
        "echo {a,b}",
        "ls ~",
        "ls ~root",
        "make dir=~/x",
        "scp a:~/x",
        # what it would read or write
        "echo x > file",
        "echo x >> file",
        "echo x >| file",
        "cat < file",
        "cat <<EOF\nx\nEOF",
        "cat <<< x",
        "cat <(ls)",
        "ls > >(cat)",
        "ls &> /dev/null",  # a POSIX shell reads it as two commands
        "ls >& file",
        "ls <> file",
        "ls 12>&1",
        "ls 2>file",
        "ls > /dev/nullx",
        "ls > /dev/null/../x",
        # variables for the command
        "PATH=. ls",
        "LD_PRELOAD=x ls",
        "A=1",
        "A+=1 ls",
        # grammar
        "if true; then ls; fi",
        "for x in a b; do ls; done",
        "while true; do ls; done",
        "! ls",
        "time ls",
        "{ ls; }",
        "(ls)",
        "f() { ls; }",
        "[[ -f x ]]",
        "a &&",
        "a |",
        "&& a",
        "; a",
        "a ;; b",
        "a & & b",
        "a ||| b",
        "echo 'open",
        'echo "open',
        "echo open\\",
        # commands that run others
        "eval ls",
        "source x.sh",
        ". x.sh",
        "exec ls",
        "command ls",
        "builtin cd",
        "env ls",
        "/usr/bin/env ls",
        "sudo ls",
        "ls | xargs rm",
        "nohup ls",
        "timeout 5 ls",
        "nice ls",
        "busybox rm x",
        "ssh host ls",
        "'env' ls",
        'e"n"v ls',
        "e\\nv ls",
        "bash -c ls",
        "sh -ec ls",
        "bash",
        "echo ls | sh",
        "bash /dev/stdin",
        "bash /proc/self/fd/0",
        "zsh +x -c ls",
        "find . -exec rm x ;",
        "find . -exec rm {} +",
        "find . -delete",
        "find . -ok rm",
        "find . -fprint x",
        # commands that change what others mean
        "alias ls=rm",
        "export PATH=.",
        "set -x",
        "shopt -s expand_aliases",
        "trap ls EXIT",
        "unset x",
        "read x",
        "printf -v PATH .",
        "enable -f x y",
        "hash -p /tmp/x ls",
        # characters nobody sees
        "ls\u00a0x",
        "ls\u2028rm",
        "ls\rrm",
        "ls\x07",
        "'' x",
        "echo '\0'",
        "echo " + "x" * MAX_LENGTH,
    ],
)
def test_lines_that_nobody_can_tell(line):
    assert parse(line) is None


_WORDS = st.text(alphabet="ab'\"\\ \n#=~*$;&|<>(){}[]!?-2\t`/.é\u00a0", max_size=14)


@given(_WORDS)
def test_it_never_fails(line):
    parse(line)


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_shells_read_the_same(shell, tmp_path):
    """What is accepted is given to a real shell, in which every command that could be meant writes its words down."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    lines = [
        "a && b; a b",
        "a 'b c' \"d'e\" f\\ g",
        "a | b",
        "b x=1 'y'\"z\"w",
        'a "\\$x \\` \\" \\\\ \\q"',
        "a b#c # d",
        "a \\\n b",
        "a 2>&1",
        "a b2 >/dev/null",
        "b '' 'x\ny'",
        "a 'é' =b ,c d~ e^ %f @g +h",
        "b HEAD~1 a:b ]",
    ]
    recorder = tmp_path / "record"
    recorder.write_text(
        '#!/bin/sh\nexec "$PYTHON" -c \'import json,os,sys; '
        'open(os.environ["LOG"], "a").write(json.dumps([os.path.basename(sys.argv[1]), *sys.argv[2:]]) + "\\n")\' '
        '"$0" "$@" >/dev/null\n'
    )
    recorder.chmod(0o755)
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(recorder)
    for line in lines:
        log = tmp_path / "log"
        log.write_text("")
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "LOG": str(log),
            "PYTHON": shutil.which("python3") or "",
            "LC_ALL": "C.UTF-8",
        }
        subprocess.run([shell, "-c", line], env=environment, check=False, timeout=20, cwd=tmp_path)
        seen = sorted(json.loads(entry) for entry in log.read_text().splitlines())
        assert seen == sorted(map(list, parse(line) or ())), line
