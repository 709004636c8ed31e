"""Git in the sandbox: it works, but nobody's git can be made to run a command's code."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from conversations.sandbox import command

GIT = [
    "git",
    "-c",
    "user.name=tester",
    "-c",
    "user.email=tester@example.com",
    "-c",
    "init.defaultBranch=main",
]
COMMIT = "git -c user.name=a -c user.email=a@example.com commit -qm more"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [*GIT, "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def repository(root: Path) -> Path:
    return make_repository(root)


def make_repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    (folder / "file").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def what_git_runs(folder: Path) -> dict[str, str]:
    """The files by which git is told to run things."""
    places = [folder / ".git"] if (folder / ".git").is_file() else [*(folder / ".git").glob("*")]
    found = [path for place in places for path in [place, *place.rglob("*")]]
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in found
        if path.is_file()
        and ("hooks" in path.parts or path.name in (".git", "config", "commondir", "config.worktree"))
    }


async def test_commands_can_commit(sh, repository):
    outcome = await sh(
        f"echo two >> file && git add -A && {COMMIT} && git log --oneline && git status --short"
    )
    assert outcome.exit_code == 0, outcome.output
    assert git(repository, "log", "--format=%s").split() == ["more", "first"]
    git(repository, "fsck")


@pytest.mark.parametrize(
    "line",
    [
        "echo '[core] fsmonitor = ./evil' >> .git/config",
        "git config core.fsmonitor ./evil",
        "git config --local alias.status '!evil'",
        "rm -f .git/config; echo evil > .git/config",
        "mv .git/config .git/old; echo evil > .git/config",
        "echo evil > .git/new; mv -f .git/new .git/config",
        "cp /dev/null .git/config.lock; mv .git/config.lock .git/config",
        "ln .git/config other; echo evil >> other",
        "echo evil > .git/hooks/pre-commit",
        "mkdir h; echo evil > h/pre-commit; rm -rf .git/hooks; mv h .git/hooks",
        "rm -rf .git/hooks; ln -s ../h .git/hooks",
        "mv .git/hooks .git/h; mkdir .git/hooks; echo evil > .git/hooks/pre-commit",
        "mv .git g; cp -r g .git; echo evil >> .git/config",
        "cp -r .git g; rm -rf .git; mv g .git; echo evil >> .git/config",
        "mv .git g; echo gitdir: g > .git; echo evil >> g/config",
        "mkdir e; echo evil > e/config; echo ../e > .git/commondir",
        "mkdir .git/commondir; rmdir .git/commondir; echo /tmp > .git/commondir",
        "chmod 777 .git/config .git/hooks; echo evil >> .git/config",
        "sed -i s/bare/evil/ .git/config; perl -i -pe s/bare/evil/ .git/config; truncate -s 0 .git/config",
    ],
)
async def test_no_command_changes_what_git_runs(sh, repository, line):
    before = what_git_runs(repository)
    await sh(line)
    after = what_git_runs(repository)
    assert {path: after.get(path) for path in before} == before
    assert "evil" not in "".join(after.values())
    assert not (repository / ".git" / "commondir").is_file()


async def test_config_and_hooks_that_are_missing_cannot_be_made(sh, repository):
    (repository / ".git" / "config").unlink()
    subprocess.run(["rm", "-r", repository / ".git" / "hooks"], check=True)  # noqa: ASYNC221
    await sh("mkdir .git/hooks; echo evil > .git/hooks/pre-commit; echo evil > .git/config")
    assert not any(what_git_runs(repository).values())


async def test_hooks_that_are_a_link_make_the_repository_read_only(sh, repository):
    subprocess.run(["rm", "-r", repository / ".git" / "hooks"], check=True)  # noqa: ASYNC221
    (repository / ".git" / "hooks").symlink_to("../my-hooks")
    await sh("rm .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/pre-commit; echo evil >> .git/config")
    assert (repository / ".git" / "hooks").is_symlink()
    assert "evil" not in "".join(what_git_runs(repository).values())


@pytest.mark.parametrize(
    "line",
    [
        "git init -q",
        "mkdir -p .git/hooks && echo evil > .git/hooks/pre-commit",
        "rm -rf .git; mkdir .git; echo evil > .git/config",
        "mv .git x; mkdir -p .git/hooks",
        "ln -s x .git; echo gitdir: x > .git",
    ],
)
async def test_where_there_is_no_repository_none_can_be_made(sh, root, line):
    await sh(line)
    assert not (root / ".git").exists()


async def test_a_repository_can_be_made_below_and_is_guarded_from_then_on(sh, root):
    assert (await sh("git init -q new")).exit_code == 0
    before = what_git_runs(root / "new")
    await sh("echo evil >> new/.git/config; mv new/.git g; echo evil > new/.git/hooks/pre-commit")
    assert what_git_runs(root / "new") == before


async def test_the_guard_of_the_name_serves_commands_at_once_and_goes_with_the_last(sh, root):
    def waits(name: str) -> asyncio.Task:
        line = f"touch {name}; while [ ! -e end-{name} ]; do sleep 0.01; done; mkdir .git/hooks"
        return asyncio.create_task(sh(line))

    first, second = waits("first"), waits("second")
    while not ((root / "first").exists() and (root / "second").exists()):
        await asyncio.sleep(0.01)
    (root / "end-first").touch()
    assert (await first).exit_code
    assert (root / ".git").is_dir()
    (root / "end-second").touch()
    assert (await second).exit_code
    assert not (root / ".git").exists()


async def test_a_repository_that_somebody_makes_meanwhile_outside_stays(sh, root):
    task = asyncio.create_task(sh("touch up; while [ ! -e end ]; do sleep 0.01; done"))
    while not (root / "up").exists():
        await asyncio.sleep(0.01)
    git(root, "init", "-q")
    (root / "end").touch()
    await task
    assert (root / ".git" / "HEAD").exists()


async def test_a_worktrees_pointer_cannot_be_changed(sh, root, tmp_path):
    git(make_repository(tmp_path / "main"), "worktree", "add", "-q", str(root / "tree"))
    (root / "tree").rename(root / "moved")
    pointer = (root / "moved" / ".git").read_text()
    (root / ".git").write_text(pointer)
    for line in ("echo gitdir: x > {}", "rm -f {}; echo x > {}", "mv {} old; mkdir {}", "ln -sf x {}"):
        await sh(line.format(*[".git"] * 2) + "; " + line.format(*["moved/.git"] * 2))
    assert (root / ".git").read_text() == pointer
    assert (root / "moved" / ".git").read_text() == pointer


async def test_a_submodules_settings_cannot_be_changed(sh, repository, tmp_path):
    git(repository, "submodule", "add", "-q", str(make_repository(tmp_path / "other")), "lib")
    git(repository, "commit", "-qm", "library")
    before = what_git_runs(repository) | what_git_runs(repository / "lib")
    await sh(
        "echo evil >> .git/modules/lib/config; echo evil > .git/modules/lib/hooks/pre-commit; rm -f lib/.git; "
        "mv .git/modules .git/m; mkdir -p .git/modules/lib; echo evil > .git/modules/lib/config; mv lib l; "
        "echo gitdir: ../x > lib/.git; git -C lib config core.fsmonitor evil"
    )
    assert what_git_runs(repository) | what_git_runs(repository / "lib") == before
    assert (await sh("git -C lib status")).exit_code == 0


async def test_a_bare_repository_is_guarded_too(sh, root):
    git(root, "init", "-q", "--bare")
    before = {name: (root / name).read_text() for name in ("config", "HEAD")}
    await sh(
        "echo evil >> config; echo evil > hooks/update; mv hooks h; mkdir hooks; echo evil > hooks/update"
    )
    assert {name: (root / name).read_text() for name in ("config", "HEAD")} == before
    assert not (root / "hooks" / "update").exists()


async def test_our_own_git_runs_nothing_that_a_repository_names(level, repository):
    for name in ("core.fsmonitor", "diff.external", "core.pager", "core.editor", "core.sshCommand"):
        git(repository, "config", name, "touch pwned; true")
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.write_text("#!/bin/sh\ntouch pwned\n")
    hook.chmod(0o755)
    (repository / "file").write_text("two\n")
    outcome = await command.run_git(repository, "diff", "--no-ext-diff")
    assert (outcome.exit_code, "+two" in outcome.output) == (0, True), outcome.output
    assert "M file" in (await command.run_git(repository, "status", "--short")).output
    assert not (repository / "pwned").exists()
