"""The command ``uhn``: it imports what the asked command needs, calls it and turns errors into exit codes.

Exit codes: 0 done, 1 something is unavailable or is not as it should be, 2 bad input, 75 try again (no memory, no space
on the disk, or the time of ``--within`` is up), 130 Ctrl-C, 143 SIGTERM.
``UHN_TRACEBACK=1`` shows where a reported error came from.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from types import FrameType

import uhn
from uhn.paper.runs.output import TRY_AGAIN

COMMANDS = {
    "run": ("run", "train runs, or resume them, in one process"),
    "plan": ("run", "say which runs the tables need, their steps and hours"),
    "accept": ("run", "let results stand that older code made"),
    "sweep": ("sweep", "search hyperparameters stage by stage, on validation rows only"),
    "metrics": ("track", "write a small file per cell and curves, for `dvc metrics` and `dvc plots`"),
    "restore": ("track", "get results from the DVC remote, an archive, a folder or a bucket"),
    "docs": ("docs", "write docs/settings.md, and what README.md and docs/pipeline.md show of results and code"),
    "doctor": ("doctor", "say whether this machine can do what a profile asks for"),
    "data": ("data", "fetch, verify and list the datasets"),
    "modelset": ("sets", "list, show and write the sampled model sets (Tables 3 and 17)"),
    "facts": ("report", "measure what tables say of layers, model sets and graphs"),
    "render": ("report", "write tables, figures, coverage.md and report.html from finished runs"),
    "explain": ("report", "the way from a table's cell to its runs, settings, data and code"),
    "archive": ("archive", "write a profile's results into one file for a repository such as Zenodo"),
    "verify": ("archive", "check such a file, render its tables again, train one of its runs again"),
    "compare": ("compare", "results against kept ones, another profile's or a revision's, cell by cell"),
    "keep": ("report", "copy the small files of a profile's results to where git keeps them"),
}
"""Module (in ``uhn.paper.commands``) and purpose of every command."""

WRONG_PATH = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
WRONG_PLACE = (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of the system that are bad input: a path that was given is wrong. All others are failures: a disk is full."""

WAITING = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""How the threads of a run wait for each other, unless the environment says otherwise: asleep. Beside other work the
one that waits would take the time that the other needs: a step of 0.2 s took 6 s. Read when torch is imported."""

SCARCE = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""Errors of the system that another time, or another machine, may not have."""

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
"""What torch says, in a ``RuntimeError``."""


class Terminated(SystemExit):
    """SIGTERM arrived."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated(128 + signum)


def parser(chosen: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the ``chosen`` commands; if none of ours is among them, all are named, none imported."""
    top = argparse.ArgumentParser(prog="uhn", description="Universal Hypernetworks: train, plan, report.")
    top.add_argument("--version", action="version", version=f"uhn {uhn.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in [name for name in COMMANDS if name in chosen] or COMMANDS:
        module, purpose = COMMANDS[name]
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name in chosen:
            import_module(f"uhn.paper.commands.{module}").ARGUMENTS[name](command)
    return top


def _checked_profile(name: str) -> None:
    """Raise ``ValueError`` for what no profile can be called, whether or not the command reads params.yaml."""
    from uhn.paper.names import checked_name

    try:
        checked_name(name)
    except ValueError as error:
        raise ValueError(f"profile: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments, those of the process if none.
    """
    _print_what_cannot_be_encoded()
    for variable, value in WAITING.items():
        os.environ.setdefault(variable, value)
    words = sys.argv[1:] if argv is None else argv
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        args = parser(words[:1]).parse_args(argv)
        if hasattr(args, "profile"):
            _checked_profile(args.profile)
        code = int(args.handler(args))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("uhn: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("uhn: terminated", file=sys.stderr)
        return 143
    except Exception as error:
        told = _told(error)
        if told is None or os.environ.get("UHN_TRACEBACK"):
            raise
        code, words = told
        if not isinstance(error, BrokenPipeError):  # whoever reads has gone, and wants to hear nothing
            print(f"uhn: {_line(words)}", file=sys.stderr)
        _drop_output()
        return code
    finally:
        signal.signal(signal.SIGTERM, previous)


def _told(error: Exception) -> tuple[int, str] | None:
    """Exit code and words for an error that can happen to a correct program; None for any other."""
    words = " ".join(str(error).split())
    match error:
        case ModuleNotFoundError() if error.name and not error.name.startswith("uhn"):
            return 1, words if "uhn[" in words else f"{error.name} is not installed: pip install 'uhn[paper]'"
        case MemoryError():
            return TRY_AGAIN, words or "out of memory"
        case OSError():
            if error.strerror:
                words = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
            wrong = isinstance(error, WRONG_PATH) or error.errno in WRONG_PLACE
            return 2 if wrong else TRY_AGAIN if error.errno in SCARCE else 1, words
        case ValueError():
            return 2, words
        case RuntimeError():
            from uhn.tasks.fetch.checksums import DataError  # imports numpy, which `uhn --help` need not wait for

            if isinstance(error, DataError):
                return 1, str(error)
            if any(text in words for text in OUT_OF_MEMORY):
                return TRY_AGAIN, f"out of memory: {words[:200]}"
    return None


def _line(words: str) -> str:
    """``words`` without what a terminal would obey, and not for pages; the lines of a list of places stay."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in words[:2000])
    return shown + "..." * (len(words) > 2000)


def _print_what_cannot_be_encoded() -> None:
    """Have a terminal or a log that knows fewer characters get an escape for the others, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Have what is left to print go nowhere, if it cannot be printed: else the interpreter complains at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
