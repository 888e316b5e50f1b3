"""Weight sources on disk: one safetensors file with the settings that rebuild the source in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from uhn.descriptors.ranges import Ranges
from uhn.files import write_atomically
from uhn.models.spec import ModelSpec
from uhn.sources.base import WeightSource

FORMAT = "uhn-source-1"


def save_source(source: WeightSource, path: str | Path) -> None:
    """Write ``source`` to ``path`` (temp file, fsync, rename)."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in source.state_dict().items()}
    # one entry: safetensors writes several in a random order, and the same source shall give the same bytes
    metadata = {"uhn": json.dumps({"format": FORMAT, "source": source.describe()}, sort_keys=True)}
    write_atomically(Path(path), safetensors.torch.save(tensors, metadata))


def load_source(path: str | Path) -> WeightSource:
    """Rebuild a source from :func:`save_source`'s file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is truncated, of another format, or its tensors do not fit its settings.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weight source at {path}")
    try:
        with safetensors.safe_open(str(path), "pt") as file:
            metadata = json.loads((file.metadata() or {}).get("uhn", "{}"))
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: wanted format {FORMAT!r}, got {metadata.get('format')!r}")
    source = build_source(metadata["source"])
    try:
        source.load_state_dict({name: value.clone() for name, value in tensors.items()}, assign=True)  # in its dtype
    except RuntimeError as error:
        raise ValueError(f"{path}: its tensors do not fit its settings: {error}") from None
    return source


def build_source(description: dict[str, Any]) -> WeightSource:
    """Build an untrained source from :meth:`WeightSource.describe`. Raises ``ValueError`` for an unknown kind."""
    from uhn.sources import OneSpecSource, source_class
    from uhn.sources.chain import Chain
    from uhn.sources.universal import UniversalHypernetwork

    cls = source_class(str(description.get("kind")))
    if issubclass(cls, OneSpecSource):
        return cls(ModelSpec.from_json(description["spec"]), **description["settings"])
    if cls is UniversalHypernetwork:
        return UniversalHypernetwork(Ranges.from_json(description["ranges"]), **description["settings"])
    root = build_source(description["root"])
    assert cls is Chain and isinstance(root, UniversalHypernetwork)
    return Chain(root, [ModelSpec.from_json(level) for level in description["levels"]])
