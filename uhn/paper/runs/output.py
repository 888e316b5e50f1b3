"""What a run says is worth less than the run: it goes on where its log cannot be written."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

TRY_AGAIN = 75
"""Exit code of what may succeed at another time: ``EX_TEMPFAIL`` of sysexits.h."""


class _Lasting:
    """A stream that gives up writing, for good, when it cannot."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.lost = stream, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        if self.lost:
            return
        try:
            call()
        except OSError as error:
            self.lost = True
            with suppress(OSError):  # what is still in the buffer goes nowhere, at the end too
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)
            print(f"uhn: the output cannot be written ({error.strerror}); going on without it", file=sys.stderr)


class _Json:
    """A stream that makes a JSON object of every line, and of every event with its values."""

    def __init__(self, stream: _Lasting) -> None:
        self.stream, self.begun = stream, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        for line in filter(None, lines):
            self.event(line, {})
        return len(text)

    def event(self, words: str, fields: Mapping[str, Any]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.stream.write(json.dumps({"time": now, "message": words, **fields}) + "\n")
        self.stream.flush()


def add_log_format(parser: argparse.ArgumentParser) -> None:
    """Add the option that :func:`lasting_output` takes."""
    words = "json: an object per line, with time, message and, of steps and ends of runs, their values"
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help=words)


@contextmanager
def lasting_output(log_format: str = "text") -> Iterator[None]:
    """Let nothing that is printed fail: a full disk, or a reader that is gone, costs the words and nothing else.

    Args:
        log_format: ``json`` turns each line of standard output into an object.
    """
    before = sys.stdout, sys.stderr
    out, sys.stderr = (_Lasting(stream) for stream in before)
    sys.stdout = _Json(out) if log_format == "json" else out
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
