"""A Python that has imported torch and its like once, and answers every call with a fork of itself.

Tests that start many processes call :attr:`Forking.python`: a call costs what it computes, without the seconds that the
imports take. Pytest's workers are such calls. uhn is imported by every call anew, from the PYTHONPATH of the call. It
knows ``-m``, ``-c``, ``-W``, ``-u`` and a program's file; it prints and ends as the real one does. Used as a program,
this file is its server.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PRELOADED = (
    "torch", "torch._dynamo", "torch.fx.experimental.symbolic_shapes", "torch_geometric", "safetensors.torch",
    "jaxtyping", "beartype", "pandas", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg", "scipy.special", "yaml", "pydantic", "tqdm", "snakemake.cli", "snakemake.api",
    "snakemake.workflow", "snakemake.report.html_reporter", "smart_open", "dvc.cli", "dvc.repo", "dvc.commands.repro",
    "dvc.commands.metrics",
)  # fmt: skip
"""Imported at the first call."""

CLIENT = """
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect(sys.argv[1])
socket.send_fds(server, [json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
code = int(server.recv(16) or 70)
os.kill(os.getpid(), -code) if code < 0 else os._exit(code)
"""


class Forking:
    """The running server."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()  # a socket's path is short
        folder = Path(self._folder.name)
        address, python = folder / "socket", folder / "bin/python"
        self.python = str(python)
        python.parent.mkdir()
        words = shlex.join([sys.executable, "-ISc", CLIENT, str(address)])
        python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        python.chmod(0o755)
        command = [sys.executable, __file__, str(address), self.python]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._server.stdout and self._server.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """Stop it: it ends when nobody holds its input any more."""
        self._server.communicate()
        self._folder.cleanup()


def serve(address: str, python: str) -> None:
    """Fork for every call until the input ends."""
    children: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted closes the input
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while True:
            ready, *_ = select.select([server, 0], [], [])
            if 0 in ready:
                return
            connection, _ = server.accept()
            _preload()
            children = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]
            if (pid := os.fork()) == 0:
                server.close()
                _answer(connection, python)
            connection.close()
            children.append(pid)


def _preload() -> None:
    for name in PRELOADED:
        import_module(name)  # which does nothing after the first time
    gc.freeze()
    assert threading.active_count() == 1, "a fork has one"


def _answer(connection: socket.socket, python: str) -> None:
    """Let another process do what is asked, and say how it ended; it ends with the one that asked."""
    message, files, *_ = socket.recv_fds(connection, 2**20, 3)
    if (pid := os.fork()) == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        words, folder, environment = json.loads(message)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        if encoding := environment.get("PYTHONIOENCODING"):
            sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)  # not what colorama wraps once imported
            sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)
        sys.executable = python
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os._exit(_code(words))
    for file in files:
        os.close(file)
    if connection in select.select([connection, os.pidfd_open(pid)], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        connection.send(str(code).encode())
    os._exit(0)


def _code(words: list[str]) -> int:
    """Run the call as Python would; return the exit code."""
    code = 0
    try:
        _run(words)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code & 0xFF


def _run(words: list[str]) -> None:
    places = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if words[0] == "-u":  # what pytest's workers are called with; they write without buffers of Python's anyway
        words = words[1:]
    if words[0] == "-W":
        warnings.simplefilter(words[1])  # type: ignore[arg-type]
        words = words[2:]
    what, *rest = words
    first = {"-c": "", "-m": os.getcwd()}.get(what, os.path.dirname(os.path.abspath(what)))
    sys.path[:1] = [first, *places]
    match what:
        case "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        case "-c":
            sys.argv = ["-c", *rest[1:]]
            main: Any = ModuleType("__main__")
            sys.modules["__main__"] = main
            exec(compile(rest[0], "<string>", "exec"), main.__dict__)
        case _:
            sys.argv = words
            runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    serve(*sys.argv[1:])
