"""The sampled model families of the multi-model experiments (D.1): CNN depth, width, depth x width, Transformer.

A set is a function of its seed: integers come from the raw 32-bit outputs of MT19937 as ``low + output mod range``,
an architecture that was drawn before is rejected, and the order of first appearance is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from uhn.files import write_atomically
from uhn.models.feedforward import cnn, mlp
from uhn.models.spec import ModelSpec
from uhn.models.transformer import transformer

Architecture = tuple[int, ...]
Draw = Callable[[int, int], int]
"""``draw(low, high)``: a uniform integer with both ends included."""

SCHEMA: Final = 1


@dataclass(frozen=True)
class SampledFamily:
    """How one set is made.

    Args:
        seed: seed of the set (not of a run).
        size: number of different architectures.
        each: models in each of the seen, unseen and validation splits.
        draw: one architecture from the stream.
        build: the spec of an architecture.
        corners: architectures whose union spans the sampling ranges, for declared descriptor ranges (B.4).
    """

    seed: int
    size: int
    each: int
    draw: Callable[[Draw], Architecture]
    build: Callable[[Architecture], ModelSpec]
    corners: tuple[Architecture, ...]

    def checked(self, entry: Any) -> Architecture:
        """Return an architecture of a file. Raises ``ValueError`` for one that is longer or larger than the corners."""
        sizes, most = [len(corner) for corner in self.corners], max(max(corner) for corner in self.corners)
        whole = isinstance(entry, list) and min(sizes) <= len(entry) <= max(sizes)
        if not whole or not all(type(value) is int and 1 <= value <= most for value in entry):
            raise ValueError(
                f"an architecture is {min(sizes)} to {max(sizes)} numbers from 1 to {most}, got {entry!r:.100}"
            )
        return tuple(entry)


def _cnn_sampler(depths: tuple[int, int], widths: bool) -> Callable[[Draw], Architecture]:
    def sample(draw: Draw) -> Architecture:
        stages = tuple(draw(*depths) for _ in range(3))
        steps = ((16, 4), (32, 8), (64, 16)) if widths else ((16, 0), (32, 0), (64, 0))
        return stages + tuple(low + 4 * draw(0, last) for low, last in steps)

    return sample


def _build_cnn(architecture: Architecture) -> ModelSpec:
    n1, n2, n3, stem, second, third = architecture
    return cnn((1, n1, n2, n3), (stem, stem, second, third))


def _sample_transformer(draw: Draw) -> Architecture:
    encoders = draw(1, 4)
    feedforward = tuple(draw(1, 3) for _ in range(encoders))
    heads = draw(1, 8)
    first, last = -(-32 // heads), 128 // heads
    return (*feedforward, heads, heads * draw(first, last))


def _build_transformer(architecture: Architecture) -> ModelSpec:
    *feedforward, heads, size = architecture
    return transformer(4, feedforward, heads=heads, size=size)


def _sample_mlp(draw: Draw) -> Architecture:
    return tuple(16 + 8 * draw(0, 6) for _ in range(draw(1, 4)))


def _build_mlp(architecture: Architecture) -> ModelSpec:
    return mlp((784, *architecture, 10))


_NARROW, _WIDE = (16, 32, 64), (32, 64, 128)

SETS: Final[Mapping[str, SampledFamily]] = {
    "cnn-depth": SampledFamily(
        75381, 100, 20, _cnn_sampler((6, 10), False), _build_cnn, ((6, 6, 6, *_NARROW), (10, 10, 10, *_NARROW))
    ),
    "cnn-width": SampledFamily(
        362, 500, 50, _cnn_sampler((6, 6), True), _build_cnn, ((6, 6, 6, *_NARROW), (6, 6, 6, *_WIDE))
    ),
    "cnn-depth-width": SampledFamily(
        32460, 1000, 50, _cnn_sampler((6, 8), True), _build_cnn, ((6, 6, 6, *_NARROW), (8, 8, 8, *_WIDE))
    ),
    "transformer": SampledFamily(
        57055, 1000, 50, _sample_transformer, _build_transformer, ((1, 1, 32), (3, 3, 3, 3, 8, 128))
    ),
    "mlp": SampledFamily(2026, 200, 20, _sample_mlp, _build_mlp, ((16,), (64, 64, 64, 64))),
}
"""The sets by name. An architecture is (n1, n2, n3, w1, w2, w3), (depth of each encoder ..., heads, size), or the
hidden widths of an MLP: the family that is none of the paper's, small enough to train often."""


@dataclass(frozen=True)
class ModelSet:
    """A set of architectures in order of first appearance, and how many draws it took."""

    name: str
    seed: int
    trials: int
    architectures: tuple[Architecture, ...]

    def __post_init__(self) -> None:
        family = set_family(self.name)
        if len(set(self.architectures)) != len(self.architectures):
            raise ValueError(f"model set {self.name!r} holds an architecture twice")
        if len(self.architectures) < 3 * family.each:
            raise ValueError(f"{self.name!r} wants at least {3 * family.each} models, got {len(self.architectures)}")

    @cached_property
    def specs(self) -> tuple[ModelSpec, ...]:
        """One spec an architecture, in order."""
        build = set_family(self.name).build
        return tuple(build(architecture) for architecture in self.architectures)

    @cached_property
    def splits(self) -> dict[str, tuple[int, int]]:
        """Half-open position ranges.

        ``unseen`` (held out) are the last models; ``train`` are all others, of which ``seen`` (hold-in) are the first
        and ``validation`` the last. When tuning, training leaves out validation: ``train_when_tuning``.
        """
        total, each = len(self.architectures), set_family(self.name).each
        train = total - each
        return {
            "train": (0, train),
            "seen": (0, each),
            "unseen": (train, total),
            "validation": (train - each, train),
            "train_when_tuning": (0, train - each),
        }

    def split(self, name: str) -> tuple[ModelSpec, ...]:
        """Return the specs of one of :attr:`splits`. Raises ``ValueError`` naming them if unknown."""
        if name not in self.splits:
            raise ValueError(f"unknown split {name!r}; known: {', '.join(self.splits)}")
        return self.specs[slice(*self.splits[name])]

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the hashes of the specs in order, and the splits."""
        content = [[spec.hash for spec in self.specs], sorted(self.splits.items())]
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; :meth:`from_json` is the inverse."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "seed": self.seed,
            "trials": self.trials,
            "architectures": [list(architecture) for architecture in self.architectures],
            "parameters": [spec.num_params for spec in self.specs],
            "splits": {name: list(span) for name, span in self.splits.items()},
            "hash": self.hash,
        }

    @classmethod
    def from_json(cls, data: Any) -> ModelSet:
        """Rebuild a set and check everything that is stored twice.

        Raises:
            ValueError: for missing or unknown keys, another schema, or if counts, splits or hash disagree.
        """
        wanted = {"schema", "name", "seed", "trials", "architectures", "parameters", "splits", "hash"}
        if not isinstance(data, Mapping) or set(data) != wanted:
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ValueError(f"a model set has the keys {sorted(wanted)}, got {got}")
        if data["schema"] != SCHEMA:
            raise ValueError(f"model set schema wanted {SCHEMA}, got {data['schema']!r:.100}")
        for key, kind in {"name": str, "seed": int, "trials": int, "architectures": list}.items():
            if type(data[key]) is not kind:
                raise ValueError(f"model set: {key!r} wants {kind.__name__}, got {data[key]!r:.100}")
        family = set_family(data["name"])
        if len(data["architectures"]) > family.size:
            raise ValueError(f"{data['name']!r} has at most {family.size} models, got {len(data['architectures'])}")
        architectures = tuple(family.checked(entry) for entry in data["architectures"])
        made = cls(data["name"], data["seed"], data["trials"], architectures)
        for key, value in made.to_json().items():
            if data[key] != value:
                raise ValueError(f"model set {made.name!r}: {key!r} does not fit its architectures")
        return made


def set_family(name: str) -> SampledFamily:
    """Return how the set ``name`` is made. Raises ``ValueError`` naming the sets if unknown."""
    if name not in SETS:
        raise ValueError(f"unknown model set {name!r}; known: {', '.join(SETS)}")
    return SETS[name]


@cache
def sample_set(name: str) -> ModelSet:
    """Sample the paper's set ``name`` from its own seed."""
    family = set_family(name)
    stream = np.random.RandomState(family.seed)

    def draw(low: int, high: int) -> int:
        return low + int(stream.randint(0, 2**32, dtype=np.uint32)) % (high - low + 1)

    found: dict[Architecture, None] = {}
    trials = 0
    while len(found) < family.size:
        found.setdefault(family.draw(draw))
        trials += 1
    return ModelSet(name, family.seed, trials, tuple(found))


def write_set(name: str, path: Path) -> None:
    """Write the paper's set ``name`` to ``path`` as JSON, an architecture per line: the same bytes every time."""
    entries = sample_set(name).to_json()
    rows = ",\n".join(f"  {json.dumps(entry)}" for entry in entries.pop("architectures"))
    rest = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()]
    text = ",\n".join([*rest, f' "architectures": [\n{rows}\n ]'])
    write_atomically(path, f"{{\n{text}\n}}\n")


def read_set(path: Path) -> ModelSet:
    """Return the set that :func:`write_set` left at ``path``.

    Raises:
        ValueError: if the file cannot be read, contradicts itself, or is not the set that its seed gives.
    """
    try:
        made = ModelSet.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot read model set {path}: {error}") from error
    if made != sample_set(made.name):
        raise ValueError(f"{path}: wanted the architectures that seed {made.seed} gives {made.name!r}, got others")
    return made


def corner_specs(name: str) -> tuple[ModelSpec, ...]:
    """Extreme members of the sampling ranges of a set; ``Ranges.declared`` of them covers every member (B.4)."""
    family = set_family(name)
    return tuple(family.build(architecture) for architecture in family.corners)


def summary(specs: Sequence[ModelSpec]) -> dict[str, int | float]:
    """Number of models, and mean, smallest and largest number of weights (Table 3)."""
    counts = [spec.num_params for spec in specs]
    return {"models": len(counts), "mean": sum(counts) / len(counts), "min": min(counts), "max": max(counts)}
