"""The Python that forks is told from the real one by its speed alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = "import os, sys\nprint(__name__, sys.argv, os.getcwd(), os.environ['MINE'], sys.path[:2])\nsys.exit(3)\n"
CALLS = (
    ["-c", PROGRAM, "a b", "-m"],
    ["program.py", "x"],
    ["-m", "module"],
    ["-c", "import sys; print('half', end=''); sys.exit('no')"],
    ["-c", "1 / 0"],
    ["-c", "import os; os.kill(os.getpid(), 15)"],
    ["-W", "error", "-c", "import warnings; warnings.warn('x')"],
    ["-u", "-c", "import sys; print(sys.stdin.read()[::-1])"],
)


def test_it_prints_and_ends_as_python_does(tmp_path: Path, forking_python: str) -> None:
    for name in ("program.py", "module.py"):
        (tmp_path / name).write_text(PROGRAM)
    environment = os.environ | {"MINE": "é", "PYTHONPATH": "/one:/two"}
    for call in CALLS:
        ends = []
        for python in (sys.executable, forking_python):
            done = subprocess.run(
                [python, *call], cwd=tmp_path, env=environment, input="text", capture_output=True, text=True
            )
            ends.append((done.returncode, done.stdout.replace(f"{tmp_path}/", ""), done.stderr.splitlines()[-1:]))
        assert ends[0] == ends[1], call


def test_it_ends_with_the_one_that_asked(tmp_path: Path, forking_python: str) -> None:
    code = f"import os, time; open('{tmp_path}/pid', 'w').write(f'{{os.getpid()}} '); time.sleep(600)"
    with subprocess.Popen([forking_python, "-c", code]) as asking:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith(" "):
            time.sleep(0.01)
        asking.kill()
    pid = int((tmp_path / "pid").read_text())
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
