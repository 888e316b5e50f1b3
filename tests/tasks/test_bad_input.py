"""Damaged and impossible data, from the command line: a clear line and no step of training.

What is broken here has the right checksum (but for the flipped byte): nothing but a look at the content can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_helpers import CORA, REAL, cora_files, declared, idx, of_content

from uhn.paper.cli import main
from uhn.training.loop import Loop

Put = Callable[[str, dict[str, bytes]], Path]

PIXELS = idx(np.zeros((4, 28, 28), np.uint8))
LABELS = idx(np.arange(4, dtype=np.uint8))
DIGITS = {
    f"mnist/{part}-{what}": data
    for part in ("train", "t10k")
    for what, data in (("images-idx3-ubyte", PIXELS), ("labels-idx1-ubyte", LABELS))
}
NEWS = {f"ag_news/{part}.csv": b'"1","a","b"\n"2","c","d"\n' for part in ("train", "test")}


@pytest.fixture
def put(tmp_path: Path, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Put:
    """Return a function that puts a dataset's files below a data root and declares them as they are."""

    def place(name: str, content: dict[str, bytes]) -> Path:
        for path, data in content.items():
            (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / path).write_bytes(data)
        small = dict(zip(("nodes", "edges", "features", "classes"), CORA, strict=True)) if name == "cora" else {}
        mine = declared(name, [of_content(path, data) for path, data in content.items()], **small)
        register(*(REAL | {name: mine}).values())
        return tmp_path / "data"

    monkeypatch.setattr(Loop, "_advance", lambda *_: pytest.fail("a step was trained"))
    return place


def refused(experiment: str, root: Path, repository: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run an experiment of the smoke profile, which must fail before it leaves anything; return what it said."""
    place = ["--results", str(root.parent / "results"), "--work", str(root.parent / "work"), "--data", str(root)]
    settings = ["--profile", "smoke", "--params", str(repository / "params.yaml")]
    assert main(["run", f"{experiment}/direct/seed-21962", *settings, *place]) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("uhn: ") and said.count("\n") == 1
    left = [path.name for folder in ("results", "work") for path in (root.parent / folder).rglob("*") if path.is_file()]
    assert left in ([], ["lock"])
    return said


def test_one_flipped_byte(put: Put, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = put("mnist", DIGITS)
    path = root / "mnist/train-images-idx3-ubyte"
    path.write_bytes(PIXELS[:-1] + b"\1")
    said = refused("mnist-mlp", root, repository, capsys)
    assert str(path) in said and "the file is damaged: delete it or run `uhn data fetch`" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": (7, 3, np.nan)}, "graph 'cora': wanted finite features, got"),
        ({"features": (7, 3, np.inf)}, "graph 'cora': wanted finite features, got"),
        ({"edge": (7, CORA[0])}, f"graph 'cora': wanted edges in [0, {CORA[0]:,}), got 0 to {CORA[0]}"),
    ],
)
def test_impossible_graphs(
    change: dict[str, tuple[int, ...]], words: str, put: Put, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put("cora", cora_files(**change)[0])
    assert words in refused("cora-gcn", root, repository, capsys)


def test_a_csv_with_a_broken_row(put: Put, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = put("ag_news", NEWS | {"ag_news/train.csv": b'"1","a","b"\n"2","c"\n'})
    said = refused("agnews-transformer", root, repository, capsys)
    assert "ag_news/train.csv, row 2: wanted a class 1-4, a title and a description" in said


def test_an_image_set_whose_parts_do_not_fit(put: Put, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = put("mnist", DIGITS | {"mnist/train-labels-idx1-ubyte": idx(np.array([1, 2, 3, 11], np.uint8))})
    assert "11" in refused("mnist-mlp", root, repository, capsys)
