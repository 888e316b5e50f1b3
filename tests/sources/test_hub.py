"""Sources in folders and repositories: what is written is read again; the Hub is a folder here, the network none."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from uhn.models.feedforward import mlp
from uhn.sources import Direct, UniversalHypernetwork, hub
from uhn.sources.base import WeightSource
from uhn.sources.files import save_source

SPEC = mlp((4, 8, 3))


def generator() -> UniversalHypernetwork:
    return UniversalHypernetwork.for_specs([SPEC], hidden=8, frequencies=16, condition=2)


def client() -> Any:
    return pytest.importorskip("huggingface_hub", reason="wants huggingface_hub (the extra hub)")


def test_a_folder_that_a_run_has_written_is_read(tmp_path: Path) -> None:
    """Without the Hub's client."""
    source = generator()
    save_source(source, tmp_path / "model.safetensors")
    again = UniversalHypernetwork.from_pretrained(tmp_path)
    assert torch.equal(again(SPEC), source(SPEC)) and again.describe() == source.describe()
    assert isinstance(WeightSource.from_pretrained(str(tmp_path)), UniversalHypernetwork)
    with pytest.raises(ValueError, match="holds a UniversalHypernetwork .'uhn'., wanted Direct"):
        Direct.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="no weight source at"):
        Direct.from_pretrained(tmp_path.parent)


@pytest.mark.parametrize("place", ["none", "./none/none", "a/b/c", Path("who/what")])
def test_what_is_neither_folder_nor_id_is_refused(place: Any) -> None:
    with pytest.raises(FileNotFoundError, match="a folder with model.safetensors, or the id of a repository, got"):
        UniversalHypernetwork.from_pretrained(place)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    hub._shelf.cache_clear()
    for use in (
        lambda: UniversalHypernetwork.from_pretrained("who/what"),
        lambda: generator().push_to_hub("who/what"),
        lambda: generator().save_pretrained(tmp_path / "new"),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'uhn\[hub\]'"):
            use()
    assert not list(tmp_path.iterdir())


def test_a_repository_is_asked_for_its_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, asked = generator(), {}

    def download(**wanted: Any) -> str:
        asked.update(wanted)
        save_source(source, tmp_path / "model.safetensors")
        return str(tmp_path / "model.safetensors")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=download))
    again = UniversalHypernetwork.from_pretrained("who/what", revision="v1")
    assert torch.equal(again(SPEC), source(SPEC))
    assert asked == {"repo_id": "who/what", "filename": "model.safetensors", "revision": "v1"}


def test_a_folder_of_ones_own_has_a_card(tmp_path: Path) -> None:
    client()
    source = generator()
    source.save_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["README.md", "model.safetensors"]
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert "library_name: uhn" in card and "uhn.UniversalHypernetwork.from_pretrained(" in card
    assert torch.equal(UniversalHypernetwork.from_pretrained(tmp_path / "mine")(SPEC), source(SPEC))


def test_pushing_sends_the_same_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client()

    class Api:
        def __init__(self, token: str | None = None) -> None: ...

        def create_repo(self, repo_id: str, **_: Any) -> SimpleNamespace:
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: Any) -> str:
            shutil.copytree(folder_path, tmp_path / repo_id)
            return f"https://hub/{repo_id}/commit/1"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    source = generator()
    assert source.push_to_hub("who/what") == "https://hub/who/what/commit/1"
    assert torch.equal(UniversalHypernetwork.from_pretrained(tmp_path / "who" / "what")(SPEC), source(SPEC))


def test_a_class_that_no_file_brings_back_is_not_written(tmp_path: Path) -> None:
    class Mine(UniversalHypernetwork):
        """Somebody's own."""

    with pytest.raises(TypeError, match="no file can bring back a Mine"):
        Mine(generator().ranges, hidden=8, frequencies=16).save_pretrained(tmp_path / "new")
    assert not list(tmp_path.iterdir())
