"""What can happen to a correct command: its exit code, and one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from uhn.paper.cli import main
from uhn.paper.commands import run as commands
from uhn.paper.runs import here

FULL = OSError(errno.ENOSPC, "cannot write results/x: No space left on device")
TORCH = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:124] err == 0.\n DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4000000000000 bytes."
)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FULL, 75, "cannot write results/x: No space left on device"),
        (OSError(errno.EIO, os.strerror(errno.EIO), "a/b"), 1, "a/b: Input/output error"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), 75, "Too many open files"),
        (OSError(errno.EROFS, "cannot write x: Read-only file system"), 2, "cannot write x: Read-only file system"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a/b"), 2, "a/b: No such file or directory"),
        (PermissionError("results folder x cannot be written"), 2, "results folder x cannot be written"),
        (MemoryError(), 75, "out of memory"),
        (MemoryError("Unable to allocate 7.45 TiB for an array"), 75, "Unable to allocate 7.45 TiB for an array"),
        (TORCH, 75, "out of memory: [enforce fail"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), 75, "out of memory: CUDA out of"),
        (ValueError("two\n  lines"), 2, "two lines"),
    ],
)
def test_a_failure_is_told_from_bad_input(
    error: Exception, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(commands, "show_plan", fail)
    assert main(["plan"]) == code
    said = capsys.readouterr()
    assert said.err.startswith(f"uhn: {words}") and said.err.count("\n") == 1 and said.out == ""


def test_a_name_is_shown_without_what_a_terminal_would_obey(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = ["--params", str(repository / "params.yaml"), "--profile", "smoke"]
    assert main(["run", "--job", "\x1b[31m" + "x" * 9000, *params]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and len(said) < 2100 and said.endswith("...\n")


def test_a_generator_that_the_memory_cannot_hold_is_refused_before_any_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = here.memory(torch.device("cpu"))
    assert 2**28 < there < 2**50
    monkeypatch.setattr(here, "memory", lambda device: 4096)
    places = [word for name in ("results", "work", "data") for word in (f"--{name}", str(tmp_path / name))]
    settings = ["--profile", "smoke", "--params", str(repository / "params.yaml")]
    for asked in (["kan-kv/direct", "kan-kv/uhn"], ["--missing", "--table", "table11"]):
        assert main(["run", *asked, *settings, *places]) == 75
        said = capsys.readouterr().err
        assert said.startswith("uhn: out of memory: the generator of kan-") and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def call(python: str, repository: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run uhn in a process of its own."""
    command = [python, "-m", "uhn", *arguments]
    own = os.environ | {"PYTHONPATH": str(repository)} | environment
    return subprocess.run(command, cwd=repository, env=own, capture_output=True, text=True, check=False)


def test_a_terminal_that_knows_fewer_characters_gets_escapes(repository: Path, forking_python: str) -> None:
    kept = "results/reference"
    places = ["--profile", "earlier-cnn20", "--results", kept, "--params", f"{kept}/earlier-cnn20/params.yaml"]
    cell = ["explain", "table02", "cifar10-cnn20", "direct", *places]
    whole, ascii_only = (
        call(forking_python, repository, *cell, PYTHONIOENCODING=encoding) for encoding in ("utf-8", "ascii")
    )
    assert (whole.returncode, ascii_only.returncode, ascii_only.stderr) == (0, 0, "")
    assert "±" in whole.stdout
    assert ascii_only.stdout == whole.stdout.encode("ascii", "backslashreplace").decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_a_failure(repository: Path, forking_python: str) -> None:
    command = [forking_python, "-m", "uhn", "plan"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=repository, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (75, "uhn: No space left on device\n")


def test_without_a_home_the_cache_of_the_workflow_lies_beside_it(repository: Path, tmp_path: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if key != "XDG_CACHE_HOME"}
    command = ["make", "-s", "--eval", "show: ; @echo $$XDG_CACHE_HOME", "show"]
    for home, wanted in ((tmp_path, ""), (Path("/proc/nobody"), f"{repository}/.snakemake/cache")):
        done = subprocess.run(
            command, cwd=repository, env=clean | {"HOME": str(home)}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == wanted


def test_figures_are_drawn_without_a_home(repository: Path) -> None:
    code = "import uhn.paper.report.drawing as d; d.matplotlib.get_cachedir()"
    clean = {key: value for key, value in os.environ.items() if key not in ("XDG_CACHE_HOME", "MPLCONFIGDIR")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"HOME": "/proc/nobody", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
