"""What a run says is worth less than the run: it goes on where its log cannot be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


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


@contextmanager
def lasting_output() -> Iterator[None]:
    """Let nothing that is printed fail: a full disk, or a reader that is gone, costs the words and nothing else."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Lasting(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
