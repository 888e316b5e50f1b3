"""A file that is struck while it is being written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class HalfWritten:
    """A file whose every write is told to ``strike`` when half of it has reached the disk."""

    def __init__(self, file: Any, strike: Callable[[], None]) -> None:
        self.file, self.strike = file, strike

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.strike()
        self.file.write(data[len(data) // 2 :])
