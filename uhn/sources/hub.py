"""Weight sources in folders and repositories of the Hugging Face Hub, on ``PyTorchModelHubMixin`` (the extra ``hub``).

A repository holds one file, ``model.safetensors``, as :func:`~uhn.sources.files.save_source` writes it, and a card.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from uhn.extras import needed
from uhn.sources.base import WeightSource
from uhn.sources.files import check_known, load_source, save_source

FILE = "model.safetensors"

CARD = """---
{{ card_data }}
---

# A Universal Hypernetwork

Weights, settings and ranges of a generator of weights:

```python
import uhn

source = uhn.{{ source_class }}.from_pretrained("this folder, or its id on the Hub")
weights = source(spec)
```
"""


def load_pretrained(place: str | Path, **hub: Any) -> WeightSource:
    """Return the source of a folder, or of a repository of the Hub.

    Args:
        place: a folder that :func:`save_pretrained` or a run has written, or a repository's id, ``"who/what"``.
        hub: for a repository: ``revision``, ``token``, ``cache_dir``, ``force_download``, ``local_files_only``.

    Raises:
        FileNotFoundError: for a folder without ``model.safetensors``.
        ModuleNotFoundError: for a repository without ``huggingface_hub``.
        ValueError: as :func:`~uhn.sources.files.load_source`.
    """
    folder = Path(place)
    if folder.is_dir():
        return load_source(folder / FILE)
    if isinstance(place, Path) or str(place).count("/") != 1 or str(place).startswith((".", "/", "~")):
        raise FileNotFoundError(f"wanted a folder with {FILE}, or the id of a repository, got {str(place)!r:.200}")
    client = needed("huggingface_hub", "hub", "a repository of the Hub")
    return load_source(client.hf_hub_download(repo_id=str(place), filename=FILE, **hub))


def save_pretrained(source: WeightSource, folder: str | Path) -> None:
    """Write ``model.safetensors`` and, if there is none, a card into a folder."""
    check_known(source)
    _shelf()(source).save_pretrained(folder, model_card_kwargs={"source_class": type(source).__name__})


def push_to_hub(source: WeightSource, repository: str, **hub: Any) -> str:
    """Write a source into a repository of the Hub, made if there is none. Returns the address of the commit."""
    check_known(source)
    card = {"source_class": type(source).__name__}
    return str(_shelf()(source).push_to_hub(repository, model_card_kwargs=card, **hub))


@cache
def _shelf() -> Any:
    """What the Hub's client can save: it holds a source."""
    client = needed("huggingface_hub", "hub", "the Hub")

    def hold(self: Any, source: WeightSource) -> None:
        self.source = source

    def write(self: Any, save_directory: Path) -> None:
        save_source(self.source, save_directory / FILE)

    made = {"__init__": hold, "_save_pretrained": write}
    return type("Shelf", (client.PyTorchModelHubMixin,), made, library_name="uhn", model_card_template=CARD)
