"""Files of weights whose header somebody else wrote, or a disk changed."""

from __future__ import annotations

import json
import random
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farm import seeds
from mutations import change, damage, refused

import uhn
from uhn import export
from uhn.models.hypernet import generated_uhn
from uhn.sources import ChunkedHypernetwork, HaHypernetwork
from uhn.sources.base import WeightSource
from uhn.sources.files import load_source, source_bytes

SMALL = {"hidden": 4, "frequencies": 4, "structure_frequencies": 4, "blocks": 1}
SPEC = uhn.zoo("kan-g5-kv")


def chain() -> WeightSource:
    """A chain of one level."""
    level = generated_uhn(structure_frequencies=4, index_frequencies=4, hidden=4)
    return uhn.Chain(uhn.UniversalHypernetwork.for_specs([level, SPEC], **SMALL), [level])


SOURCES: dict[str, Callable[[], WeightSource]] = {
    "direct": lambda: uhn.Direct(SPEC),
    "chunked": lambda: ChunkedHypernetwork(SPEC, chunk=10, embedding=2, hidden=2),
    "ha": lambda: HaHypernetwork(uhn.zoo("cnn8-mnist"), embedding=2),
    "uhn": lambda: uhn.UniversalHypernetwork.for_specs([SPEC], **SMALL),
    "conditioned": lambda: uhn.UniversalHypernetwork.for_specs([SPEC], **SMALL, condition=3),
    "structured": lambda: uhn.UniversalHypernetwork.for_specs([SPEC, uhn.zoo("kan-g10-jv")], **SMALL),
    "chain": chain,
}


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header of a safetensors file, with what it says of the source as a tree, and the rest."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = json.loads(header["__metadata__"]["uhn"])
    header["__metadata__"].pop("sha256", None)  # as older files have none: the header must stand for itself
    return header, content[8 + size :]


def joined(header: Any, rest: bytes) -> bytes:
    """The file again."""
    if isinstance(header, dict) and "__metadata__" in header:
        header = header | {"__metadata__": {"uhn": json.dumps(header["__metadata__"])}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_source_is_refused_or_loaded_at_once(name: str, tmp_path: Path) -> None:
    content, path = source_bytes(SOURCES[name]()), tmp_path / "model.safetensors"
    header, rest = parts(content)
    path.write_bytes(joined(header, rest))
    assert not refused(lambda: load_source(path))
    before, codes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for seed in seeds(40):
        rng = random.Random(f"{name} {seed}")
        match seed % 4:
            case 0:
                changed = joined(change(header, rng), rest)
            case 1:
                changed = damage(content, rng)
            case _:  # what rebuilds the source
                changed = joined(header | {"__metadata__": change(header["__metadata__"], rng)}, rest)
        path.write_bytes(changed)
        started = time.process_time()
        codes.append(refused(lambda: load_source(path)))
        assert time.process_time() - started < 5
    assert codes.count(True) > len(codes) / 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("uhn", ("settings", "hidden"), 2**30),
        ("uhn", ("settings", "blocks"), 10**9),
        ("uhn", ("settings", "frequencies"), 2**40),
        ("uhn", ("settings", "hidden"), 10**400),
        ("conditioned", ("settings", "condition"), 2**40),
        ("structured", ("settings", "structure_frequencies"), 2**30),
        ("chain", ("root", "settings", "blocks"), 10**9),
        ("chunked", ("settings", "hidden"), 2**30),
        ("chunked", ("settings", "chunk"), 2**62),
        ("direct", ("spec", "layers", 0, "in_size"), 2**31 - 1),
        ("direct", ("spec", "layers", 0, "grid_size"), 2**31 - 9),
    ],
)
def test_a_size_beyond_the_file_is_refused_before_anything_is_made(
    name: str, place: tuple[Any, ...], value: int, tmp_path: Path
) -> None:
    header, rest = parts(source_bytes(SOURCES[name]()))
    parent = header["__metadata__"]["source"]
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    path = tmp_path / "model.safetensors"
    path.write_bytes(joined(header, rest))
    with pytest.raises(ValueError, match=r"model\.safetensors: its (settings want [\d,]+ numbers|tensors do not fit)"):
        load_source(path)


def test_a_changed_model_file_is_refused_or_loaded_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    export.save(path, SPEC, uhn.Direct(SPEC)(SPEC).detach())
    content = path.read_bytes()
    header, rest = parts(content)
    path.write_bytes(joined(header, rest))
    assert not refused(lambda: export.load(path))
    for seed in seeds(60):
        rng = random.Random(seed)
        path.write_bytes(joined(change(header, rng), rest) if seed % 3 else damage(content, rng))
        started = time.process_time()
        refused(lambda: export.load(path))
        assert time.process_time() - started < 5
