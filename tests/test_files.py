"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uhn.files import remove_leftovers, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_with_their_folders(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "text", "wörd\n")
    write_atomically(tmp_path / "a" / "b" / "bytes", b"\0\1")
    assert (tmp_path / "a" / "b" / "text").read_text(encoding="utf-8") == "wörd\n"
    assert (tmp_path / "a" / "b" / "bytes").read_bytes() == b"\0\1"
    assert names(tmp_path / "a" / "b") == ["bytes", "text"]
    assert (tmp_path / "a" / "b" / "text").stat().st_mode & 0o777 == 0o644


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", "old")
    write_atomically(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("moment", ["fsync", "replace", "chmod"])
def test_a_failure_at_any_moment_leaves_the_old_file_alone(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "x", "old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, moment, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", "new")
    assert names(tmp_path) == []


def test_the_data_are_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "data")
        fsync(handle)

    def noted_replace(source: str, target: Path) -> None:
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "x", "new")
    assert order == ["data", "rename", "folder"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder" / "x", "new")


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".x.abc.part", ".x.part", ".xy.abc.part", "x", "x.part"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path / "x")
    assert names(tmp_path) == [".x.part", ".xy.abc.part", "x", "x.part"]
    remove_leftovers(tmp_path / "none" / "x")
