"""Weight sources on disk: one safetensors file with the settings that rebuild the source in its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from uhn.arguments import file_path
from uhn.files import write_atomically
from uhn.records import RECORD, check_file
from uhn.sources import SOURCES, WeightSource

FORMAT = "uhn-source-1"


def save_source(source: WeightSource, path: str | Path) -> None:
    """Write ``source`` to ``path`` (temp file, fsync, rename). Raises as :func:`source_bytes`.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> save_source(uhn.Direct(spec), "direct.safetensors")
    """
    write_atomically(file_path("save_source", path), source_bytes(source))


def source_bytes(source: WeightSource) -> bytes:
    """Return the content of ``source``'s file: its tensors, the settings that rebuild it, and a digest of both.

    Raises:
        TypeError: if it is no source, or one of a class that no file can bring back.
    """
    check_known(source)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in source.state_dict().items()}
    # one entry: safetensors writes several in a random order, and the same source must give the same bytes
    about = json.loads(json.dumps({"format": FORMAT, "source": source.describe()}))
    about["sha256"] = content_digest(about["source"], tensors)
    return safetensors.torch.save(tensors, {"uhn": json.dumps(about, sort_keys=True)})


def check_known(source: object) -> None:
    """Raise ``TypeError`` unless :func:`build_source` would rebuild this very class."""
    if not isinstance(source, WeightSource):
        raise TypeError(f"wanted a weight source to save, got {type(source).__name__}")
    cls = type(source)
    if SOURCES.get(getattr(source, "kind", "")) is not cls:
        known = ", ".join(known.__name__ for known in SOURCES.values())
        raise TypeError(f"no file can bring back a {cls.__name__}, only {known}: save its state_dict instead")
    for part in source.children():
        if isinstance(part, WeightSource):
            check_known(part)


def load_source(path: str | Path) -> WeightSource:
    """Rebuild a source from :func:`save_source`'s file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is truncated, altered or of another format, its tensors do not fit its settings, or a
            run's metrics beside it name another file.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> uhn.save_source(uhn.Direct(spec, seed=1), "direct.safetensors")
        >>> torch.equal(load_source("direct.safetensors")(spec), uhn.Direct(spec, seed=1)(spec))
        True
    """
    path = file_path("load_source", path)
    if not path.is_file():
        raise FileNotFoundError(f"no weight source at {path}")
    _check_beside(path)
    try:
        with safetensors.safe_open(str(path), "pt") as file:
            metadata = json.loads((file.metadata() or {}).get("uhn", "{}"))
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        got = metadata.get("format") if isinstance(metadata, dict) else metadata
        raise ValueError(f"{path}: wanted format {FORMAT!r}, got {got!r:.100}")
    about: Any = metadata.get("source")
    if "sha256" in metadata and metadata["sha256"] != content_digest(about, tensors):  # older files have none
        raise ValueError(f"{path} was altered: its tensors and settings do not have its digest")
    try:
        _check_size(about, sum(tensor.numel() for tensor in tensors.values()))
        source = build_source(about)
        source.load_state_dict({name: value.clone() for name, value in tensors.items()}, assign=True)  # in its dtype
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, RuntimeError) as error:
        raise ValueError(f"{path}: its tensors do not fit its settings: {error!s:.500}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return source


def _check_size(description: dict[str, Any], held: int) -> None:
    """Raise ``ValueError`` if a source would have more numbers than the file holds: it is never made then."""
    wanted = source_class(description).described_size(description)
    if wanted > held:
        raise ValueError(f"its settings want {wanted:,} numbers, the file holds {held:,}")


def _check_beside(path: Path) -> None:
    """Raise ``ValueError`` if a run's metrics beside the file name the digest of another one."""
    try:
        record = json.loads(path.with_name(RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # none, or of something else: the file's own digest decides
        return
    if isinstance(record, dict):
        check_file(record, path, path.read_bytes())


def content_digest(description: object, tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of the settings, and of every tensor with its name, type and shape."""
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def build_source(description: Mapping[str, Any]) -> WeightSource:
    """Build an untrained source from :meth:`WeightSource.describe`. Raises ``ValueError`` for an unknown kind."""
    return source_class(description).from_description(description)


def source_class(description: Mapping[str, Any]) -> type[WeightSource]:
    """The class of a described source. Raises ``ValueError`` for an unknown kind."""
    kind = str(description["kind"])
    if kind not in SOURCES:
        raise ValueError(f"unknown weight source kind {kind!r}; there are {', '.join(SOURCES)}")
    return SOURCES[kind]
