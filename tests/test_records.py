"""Records that a single flipped byte cannot change without a word."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from uhn.records import RECORD, check_file, read_record, sealed, to_text

CONTENT: dict[str, Any] = {
    "name": "a/uhn/seed-1",
    "value": 0.9312,
    "settings": {"lr": 0.001, "steps": 20, "clip": None},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "history.csv").write_text("phase,step\n")
    (tmp_path / RECORD).write_text(to_text(sealed(CONTENT, {"history.csv": "phase,step\n"})))
    return tmp_path / RECORD


def test_a_record_reads_as_it_was_written(path: Path) -> None:
    record = read_record(path)
    assert {key: record[key] for key in CONTENT} == CONTENT
    check_file(record, path.with_name("history.csv"), b"phase,step\n")
    check_file(record, path.with_name("another"), b"which it does not name")


def test_any_flipped_bit_is_refused_or_changes_nothing(path: Path) -> None:
    whole, record = path.read_bytes(), read_record(path)
    draw = random.Random(0)
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert read_record(path) == record
        except ValueError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 0.8 * len(whole)


def test_another_digit_and_another_key_are_refused(path: Path) -> None:
    text = path.read_text()
    for old, new in (
        ("0.9312", "0.9712"),
        ('"checksum"', '"checksun"'),
        ('"schema": 2', '"schema": 1'),
        ('"lr"', '"lR"'),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match="was altered: .* delete it and run again"):
            read_record(path)


def test_a_file_that_is_another_runs_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=r"history.csv is not the file that metrics.json beside it names"):
        check_file(read_record(path), path.with_name("history.csv"), b"phase,step\n\n")


def test_a_record_of_before_digests_is_read_as_it_is(path: Path) -> None:
    path.write_text(json.dumps(CONTENT | {"schema": 1}))
    assert read_record(path) == CONTENT | {"schema": 1}
    check_file(read_record(path), path.with_name("history.csv"), b"anything")


@pytest.mark.parametrize("text", ["[]", "7", "{", "", '{"a": ' * 3000, "\udcff"])
def test_what_is_no_record_is_refused_by_name(text: str, path: Path) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=RECORD):
        read_record(path)


def test_a_record_that_goes_on_into_another_place_keeps_the_digests(path: Path) -> None:
    record = sealed(read_record(path) | {"name": "b/uhn/seed-1"})
    path.write_text(to_text(record))
    assert read_record(path)["files"] == record["files"] != {}
