"""Seeded changes of whole files: values of other kinds in JSON, and flipped, lost and repeated bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**30, 0.5, -0.5, 1e300, float("nan"), float("inf"), "", "x",
    "</script>", "é" * 50, "../../x", "\ud800", [], [1], [[1]], {}, {"a": 1}, [None] * 3,
)  # fmt: skip
"""What stands where something else should."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value in a tree of dictionaries and lists, itself first."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield from places(part, (*path, key))


def change(tree: Any, rng: random.Random) -> Any:
    """Return a copy of ``tree`` with one to three values replaced, lost, added, repeated or renamed."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(list(places(tree)))
        new = copy.deepcopy(rng.choice(VALUES))
        if not path:
            return new
        parent = tree
        for key in path[:-1]:
            parent = parent[key]
        key = path[-1]
        match rng.choice(("replace", "replace", "replace", "lose", "add", "repeat")):
            case "replace":
                parent[key] = new
            case "lose":
                del parent[key]
            case "add" if isinstance(parent, list):
                parent.insert(key, new)
            case "add":
                parent[rng.choice(("", "kind", "extra"))] = new
            case _ if isinstance(parent, list):
                parent.extend([copy.deepcopy(parent[key])] * rng.choice((1, 50)))
            case _:
                parent[str(rng.choice(VALUES))] = parent.pop(key)
    return tree


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return ``content`` with bytes flipped, lost, repeated, or cut off."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(data) or 1)
        size = rng.choice((1, 8, 100))
        match rng.choice(("flip", "flip", "lose", "repeat", "cut", "noise")):
            case "flip" if data:
                data[at] ^= 1 << rng.randrange(8)
            case "lose":
                del data[at : at + size]
            case "repeat":
                data[at:at] = data[at : at + size] * 3
            case "cut":
                del data[at:]
            case _:
                data[at : at + size] = rng.randbytes(size)
    return bytes(data)


def mutated_json(tree: Any, rng: random.Random) -> bytes:
    """Return ``tree`` changed, as the bytes of a JSON file; one in four has damaged bytes instead."""
    text = json.dumps(tree if rng.random() < 0.25 else change(tree, rng))
    return damage(text.encode(), rng) if rng.random() < 0.25 else text.encode()


def refused(call: Callable[[], object]) -> bool:
    """Whether ``call`` refuses its input, with a ``ValueError`` of one short line: the oracle of a file's boundary."""
    try:
        call()
    except ValueError as error:
        assert len(str(error)) < 2000, str(error)[:300]
        return True
    return False
