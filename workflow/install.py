"""Set up the environment that `make` works in: `python3 workflow/install.py FOLDER [INDEX OF PYTORCH'S BUILDS]`.

What stands in the way is found before anything is downloaded, and said in one line. Old versions of Python have to
understand this file, to say that they are too old.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = ("pyproject.toml", "constraints.txt")

GIGABYTES = 3
"""What the environment and its downloads take with PyTorch's build for the CPU."""

WITH_CUDA = 9
"""The same with the build that plain pip takes on Linux, which brings the CUDA libraries."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

OTHER_PYTHON = "name another Python: make PYTHON=python3.12"


class Refused(Exception):
    """The environment cannot be set up here; the message is one line."""


def install(folder, index=""):
    """Make ``folder`` a virtual environment with this package and what it needs, unless it is one already.

    Args:
        folder: the environment.
        index: another index to take packages from, such as the one of PyTorch's CPU builds.

    Raises:
        Refused: where that cannot work. Only an environment that does not work is replaced, and nothing else removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:  # two `make` in a fresh clone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another make that installs into {folder} ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / ".installed"
        if stamp.exists() and all(os.stat(name).st_mtime <= stamp.stat().st_mtime for name in REQUIREMENTS):
            return
        if not list(folder.glob("lib/python*/site-packages/torch")):
            check_space(folder, index)
        make_environment(folder)
        print(f"installing into {folder} ...", flush=True)
        command = ["install", "-q", "--no-compile", "--no-input", "--disable-pip-version-check"]
        command += ["--extra-index-url", index] if index else []
        command += ["-c", "constraints.txt", "-e", ".[test,digits]"]
        done, output = run(folder / "bin/python", "-m", "pip", *command)
        if not done:
            raise Refused(f"{output}\ninstall: pip could not install what pyproject.toml asks for, see above")
        stamp.touch()


def check_space(folder, index):
    """Refuse where even the smaller build of PyTorch does not fit; say so where only that one does."""
    for place, wanted in ((folder.parent, GIGABYTES), (Path(tempfile.gettempdir()), 1)):
        free = shutil.disk_usage(place).free / 1e9
        if free < wanted:
            raise Refused(f"wanted {wanted} GB of free disk space in {place.resolve()}, got {free:.1f} GB")
        if place == folder.parent and free < WITH_CUDA and not index and sys.platform == "linux":
            said = f"{free:.1f} GB are free; PyTorch's build with CUDA, which pip takes on Linux, needs {WITH_CUDA}."
            print(f"install: {said} The CPU's is smaller: make TORCH_INDEX={CPU_INDEX}", flush=True)


def make_environment(folder):
    """Make the environment, or complete or replace one that a failed try left."""
    python, lowest = folder / "bin/python", lowest_version()
    if not (folder / "pyvenv.cfg").exists() and folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise Refused(
            f"wanted a virtual environment or nothing at {folder}, got other files; make VENV=... names another"
        )
    works, version = run(python, "-c", "import sys; print(*sys.version_info[:2])")
    if works and tuple(map(int, version.split())) < lowest:
        raise Refused(
            f"wanted Python {said(lowest)} or newer in {folder}, got {version.replace(' ', '.')}; "
            f"remove it, or name another: make VENV=.venv-{said(lowest)}"
        )
    if works and (run(python, "-m", "pip", "--version")[0] or run(python, "-m", "ensurepip")[0]):
        return
    if sys.version_info < lowest:
        got = f"{said(sys.version_info[:3])} ({sys.executable})"
        raise Refused(f"wanted Python {said(lowest)} or newer, got {got}; {OTHER_PYTHON}")
    made, output = run(sys.executable, "-m", "venv", "--clear", folder)
    if not made:
        shutil.rmtree(str(folder), ignore_errors=True)
        reason = " ".join(output.split())[:200]
        raise Refused(
            f"{sys.executable} cannot make a virtual environment with pip ({reason}); "
            f"install it (on Debian and Ubuntu: apt install python3-venv), or {OTHER_PYTHON}"
        )


def lowest_version():
    """The lowest version of Python that pyproject.toml allows."""
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    return tuple(map(int, re.search(r'^requires-python = ">=(\d+)\.(\d+)"', text, re.MULTILINE).groups()))


def said(version):
    """A version in words."""
    return ".".join(map(str, version))


def run(*command):
    """Return whether a command succeeded, and what it printed."""
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        return False, str(error)
    output = done.stdout.decode(errors="replace").strip()
    return done.returncode == 0, output or f"exit code {done.returncode}"


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]), *sys.argv[2:])
    except Refused as refused:
        print(refused if "\n" in str(refused) else f"install: {refused}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        print(f"install: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
