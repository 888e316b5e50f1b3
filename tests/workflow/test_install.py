"""`make` sets up its environment, or says in one line what stands in the way, before anything is downloaded."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "workflow/install.py"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A folder with what the installation reads."""
    folder = tmp_path / "clone"
    (folder / "workflow").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "workflow/install.py"):
        shutil.copy2(repository / name, folder / name)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def install(project: Path) -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("install", project / "workflow/install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake(python: Path, *, version: str = "3 12", **answers: str) -> Path:
    """Write a stand-in for an interpreter, which notes its calls beside the clone; answers are shell commands."""
    named = {"-m pip --version": "has_pip", "-m ensurepip": "ensurepip", "-m pip install": "install", "-m venv": "venv"}
    cases = [f'"{words}"*) {answers.get(name, "true")};;' for words, name in named.items()]
    calls = Path.cwd().parent / "calls"
    script = ["#!/bin/sh", f'echo "$*" >> {calls}', 'case "$*" in', *cases, f"-c*) echo {version};;", "esac"]
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text("\n".join(script) + "\n")
    python.chmod(0o755)
    return python


def environment(**answers: str) -> Path:
    """A stand-in for an environment that is there."""
    folder = fake(Path(".venv/bin/python"), **answers).parents[1]
    (folder / "pyvenv.cfg").touch()
    return folder


def calls() -> list[str]:
    path = Path.cwd().parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def make(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "install", f"PYTHON={sys.executable}", *words]
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of a make that runs the tests
    own = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=own
    )  # not of a make that runs the tests


def test_make_installs_once_and_again_after_a_change(project: Path) -> None:
    environment()
    first = make("TORCH_INDEX=https://example.invalid/cpu")
    assert (first.returncode, first.stdout, first.stderr) == (0, "installing into .venv ...\n", "")
    (installed,) = (call for call in calls() if "-m pip install" in call)
    assert "--extra-index-url https://example.invalid/cpu" in installed
    assert installed.endswith("-c constraints.txt -e .[test,digits]")
    before = calls()
    assert make().returncode == 0
    assert calls() == before
    future = time.time() + 60
    os.utime("constraints.txt", (future, future))
    assert make().returncode == 0
    assert "--extra-index-url" not in calls()[-1] and "pip install" in calls()[-1]


def test_what_pip_says_is_shown_where_it_fails_and_nowhere_else(project: Path) -> None:
    environment(install="echo 'No route to the index' >&2; exit 1")
    failed = make()
    assert failed.returncode and "No route to the index\ninstall: pip could not install" in failed.stderr
    assert not Path(".venv/.installed").exists()
    environment(install="echo 'much text'")
    good = make()
    assert good.returncode == 0 and "much text" not in good.stdout + good.stderr


def old_pythons() -> list[Path]:
    """Interpreters on this machine that are older than 3.11."""
    folders = [Path("/usr/bin"), *Path.home().glob(".pyenv/versions/*/bin")]
    return [
        path
        for folder in folders
        for path in folder.glob("python3.*")
        if re.search(r"/python3\.([6-9]|10)$", str(path))
    ]


def test_an_old_python_says_so(project: Path) -> None:
    pythons = old_pythons()
    if not pythons:
        pytest.skip("no Python older than 3.11 here")
    for python in pythons:
        done = subprocess.run([python, "workflow/install.py", ".venv"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert re.match(r"install: wanted Python 3\.11 or newer, got 3\.\d+\.\d+ \(.*\); name another", done.stderr)
    assert not Path(".venv").exists()
    environment()  # what is there already is good: the old one is not needed
    subprocess.run([pythons[0], "workflow/install.py", ".venv"], check=True, capture_output=True)


def test_an_environment_without_pip_gets_it(install: ModuleType) -> None:
    install.install(environment(has_pip="exit 1"))
    assert [call.split(" --")[0] for call in calls()][1:] == ["-m pip", "-m ensurepip", "-m pip install -q"]


def test_an_environment_that_a_failed_try_left_is_made_again(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = environment(has_pip="exit 1", ensurepip="exit 1")
    base = fake(Path("base").resolve(), venv=f"cp {fake(Path('good'))} {folder}/bin/python")
    monkeypatch.setattr(install.sys, "executable", str(base))
    install.install(folder)
    assert f"-m venv --clear {folder}" in calls() and (folder / ".installed").exists()


@pytest.mark.parametrize("left", [False, True])
def test_a_python_that_cannot_make_environments_says_why_and_leaves_nothing(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    folder = environment(has_pip="exit 1", ensurepip="exit 1") if left else Path(".venv")
    base = fake(Path("base").resolve(), venv="mkdir -p .venv/bin; echo 'ensurepip is not\navailable'; exit 1")
    monkeypatch.setattr(install.sys, "executable", str(base))
    with pytest.raises(install.Refused) as refused:
        install.install(folder)
    text = str(refused.value)
    assert "cannot make a virtual environment with pip (ensurepip is not available)" in text and "\n" not in text
    assert "apt install python3-venv" in text and not folder.exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_environment_stays(install: ModuleType, kind: str) -> None:
    kept = Path("mine/notes.txt") if kind == "folder" else Path("mine")
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("text")
    with pytest.raises(install.Refused, match="wanted a virtual environment or nothing at mine, got other files"):
        install.install(Path("mine"))
    assert kept.read_text() == "text" and not calls()


def test_an_environment_of_an_old_python_stays(install: ModuleType) -> None:
    with pytest.raises(install.Refused, match=r"wanted Python 3.11 or newer in .venv, got 3.10; remove it"):
        install.install(environment(version="3 10"))
    assert Path(".venv/bin/python").exists()


def free(install: ModuleType, monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    space = SimpleNamespace(free=gigabytes * 1e9)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda place: space)


def test_a_full_disk_is_refused_before_anything_is_made(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free(install, monkeypatch, 1.26)
    with pytest.raises(install.Refused, match=r"wanted 3 GB of free disk space in .*/clone, got 1.3 GB"):
        install.install(Path(".venv"))
    assert not calls() and not Path(".venv").exists()
    free(install, monkeypatch, 5)
    install.install(environment())
    assert f"make TORCH_INDEX={install.CPU_INDEX}" in capsys.readouterr().out or sys.platform != "linux"


def test_a_full_disk_is_no_hindrance_once_torch_is_there(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environment()
    (folder / "lib/python3.12/site-packages/torch").mkdir(parents=True)
    free(install, monkeypatch, 0.1)
    install.install(folder)


def test_two_at_once_install_once(project: Path) -> None:
    """The second waits for the first, whose pip waits until the second has said so."""
    environment(install="until [ -e go ]; do sleep 0.05; done")
    command = [sys.executable, "workflow/install.py", ".venv"]
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **piped) as first:
        assert first.stdout and first.stdout.readline() == "installing into .venv ...\n"
        with subprocess.Popen(command, **piped) as second:
            assert (
                second.stdout and second.stdout.readline() == "waiting for another make that installs into .venv ...\n"
            )
            Path("go").touch()
    assert first.returncode == second.returncode == 0
    assert sum("pip install" in call for call in calls()) == 1
