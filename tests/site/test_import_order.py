"""Every module can be the first of ours that a process imports.

Which module a process imports first is not ours to say: Django runs its system checks in the order of a set, which
differs from machine to machine. A circle of imports then shows on one machine only.
"""

import os
import subprocess
import sys

from tests.processes import ROOT

# One process that is set up once, and a fork of it for each module.
_PROGRAM = """
import importlib, os, sys, traceback
import django
django.setup()
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print("cannot be imported first:", name)
"""


def test_every_module_can_be_imported_first() -> None:
    # What a process may begin with: the site's modules, and each app's routes, tables and commands.
    paths = [
        *sorted((ROOT / "penguin_site").glob("*.py")),
        *(
            path
            for app in ("conversations", "tasks", "ads")
            for path in sorted((ROOT / app).glob("api/*.py"))
        ),
        *(path for app in ("conversations", "tasks", "ads") for path in sorted((ROOT / app).glob("*.py"))),
    ]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in paths
        if path.name not in ("__init__.py", "wsgi.py", "asgi.py")
    ]
    assert len(names) > 100
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *names],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "penguin_site.settings"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "cannot be imported first" not in result.stdout, result.stdout + result.stderr
