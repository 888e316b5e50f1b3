"""The command ``uhn``. Each room adds its own subcommands; this file only calls them and turns errors into exit codes.

Exit codes: 0 done, 1 something could not be had or is not as it should be, 2 bad input, 130 Ctrl-C, 143 SIGTERM.
``UHN_TRACEBACK=1`` shows where a reported error came from.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

import uhn
from uhn.data.pins import DataError

ROOMS = (
    "uhn.experiments.commands",
    "uhn.experiments.tuning",
    "uhn.experiments.tracking",
    "uhn.experiments.reference",
    "uhn.data.commands",
    "uhn.modelset_commands",
    "uhn.reporting.commands",
)


class Terminated(SystemExit):
    """SIGTERM arrived."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated(128 + signum)


def parser() -> argparse.ArgumentParser:
    """Return the parser with the commands of every room."""
    top = argparse.ArgumentParser(prog="uhn", description="Universal Hypernetworks: train, plan, report.")
    top.add_argument("--version", action="version", version=f"uhn {uhn.__version__}")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in ROOMS:
        import_module(room).add_parser(subparsers)
    return top


def _checked_profile(name: str) -> None:
    """Raise ``ValueError`` for what no profile can be called, whether or not the command reads params.yaml."""
    from uhn.experiments.names import checked_name

    try:
        checked_name(name)
    except ValueError as error:
        raise ValueError(f"profile: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments, those of the process if none.
    """
    args = parser().parse_args(argv)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        if hasattr(args, "profile"):
            _checked_profile(args.profile)
        return int(args.handler(args))
    except KeyboardInterrupt:
        print("uhn: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("uhn: terminated", file=sys.stderr)
        return 143
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except DataError as error:
        if os.environ.get("UHN_TRACEBACK"):
            raise
        print(f"uhn: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        if os.environ.get("UHN_TRACEBACK"):
            raise
        print(f"uhn: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, previous)
