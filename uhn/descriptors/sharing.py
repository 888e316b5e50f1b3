"""What was formed once and is kept: by key, up to a number of bytes, what was not used for longest goes first.

Specs of one set have most of their axes in common, and bases, windows and factors depend on an axis alone: they are
kept beside the plans that are made of them, and tensors that several hold count once.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")

KEPT_MIB = 448
"""What an encoding keeps at most; what is in use, and a step's own arrays, come on top."""


class Kept:
    """Values by key, dataclasses and tuples of tensors, oldest use first."""

    def __init__(self, mib: int = KEPT_MIB) -> None:
        self.limit, self.bytes = mib * 2**20, 0
        self._values: OrderedDict[Any, Any] = OrderedDict()
        self._tensors: dict[Any, dict[int, int]] = {}
        self._users: Counter[int] = Counter()
        self.formed_from: dict[Any, Tensor] = {}
        """Buffers by the state that keys name, held so that no other gets the same address."""

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return the value of ``key``, made and kept if it is not there."""
        if key not in self._values:
            value = make()
            self._values[key], self._tensors[key] = value, {}
            self.weigh(key, value)
        if key in self._values:  # a value larger than everything that may be kept is not
            self._values.move_to_end(key)
            return self._values[key]
        return value

    def weigh(self, key: Any, value: Any) -> None:
        """Count the tensors of ``value``, which the value of ``key`` has come to hold; drop what is too much."""
        if key not in self._values:
            return
        for place, size in storages(value):
            if place not in self._tensors[key]:
                self._tensors[key][place] = size
                self.bytes += size if self._users[place] == 0 else 0
                self._users[place] += 1
        self._values.move_to_end(key)
        while self.bytes > self.limit and self._values:
            self.drop()

    def drop(self) -> None:
        """Forget the value that was not used for longest."""
        key, _ = self._values.popitem(last=False)
        for place, size in self._tensors.pop(key).items():
            self._users[place] -= 1
            if self._users[place] == 0:
                del self._users[place]
                self.bytes -= size

    def count(self, kind: type) -> int:
        """How many values of a kind there are."""
        return sum(isinstance(value, kind) for value in self._values.values())


def storages(value: Any) -> Iterator[tuple[int, int]]:
    """(address, bytes) of the memory behind every tensor in nested tuples and dataclasses."""
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        yield storage.data_ptr(), storage.nbytes()
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from storages(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from storages(getattr(value, field.name))
