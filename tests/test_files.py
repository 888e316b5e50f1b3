"""Files appear whole or not at all."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from uhn.files import remove_leftovers, write_atomically, write_together
from uhn.locks import locked


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_with_their_folders(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "text", "wörd\n")
    write_atomically(tmp_path / "a" / "b" / "bytes", b"\0\1")
    assert (tmp_path / "a" / "b" / "text").read_text(encoding="utf-8") == "wörd\n"
    assert (tmp_path / "a" / "b" / "bytes").read_bytes() == b"\0\1"
    assert names(tmp_path / "a" / "b") == ["bytes", "text"]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", "old")
    write_atomically(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("moment", ["fsync", "replace", "fchmod"])
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


KILLED = "import os; os.fsync = lambda handle: os._exit(9)\n"


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path, repository: Path) -> None:
    write = (
        f"from pathlib import Path; from uhn.files import write_atomically; write_atomically(Path('{tmp_path}/x'), 'x')"
    )
    died = subprocess.run([sys.executable, "-c", KILLED + write], cwd=repository, check=False)
    assert died.returncode == 9 and len(names(tmp_path)) == 1
    with locked(tmp_path / names(tmp_path)[0]):  # as long as its writer lives it stays
        write_atomically(tmp_path / "x", "new")
        assert len(names(tmp_path)) == 2
    write_atomically(tmp_path / "x", "newer")
    assert names(tmp_path) == ["x"]


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_the_umask_gives_a_new_file_its_mode_and_an_old_file_keeps_its_own(tmp_path: Path, umask: None) -> None:
    write_atomically(tmp_path / "new", "")
    (tmp_path / "private").write_text("old")
    (tmp_path / "private").chmod(0o600)
    write_atomically(tmp_path / "private", "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["file", "folder/none"])
def test_the_target_of_a_link_is_written_and_the_link_stays(target: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to(f"../{target}")
    (tmp_path / "two").symlink_to("links/one")
    write_atomically(tmp_path / "two", "new")
    assert (tmp_path / "two").is_symlink() and (tmp_path / "links" / "one").is_symlink()
    assert (tmp_path / target).read_text() == "new" and names(tmp_path / "links") == ["one"]


def test_a_device_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "full").symlink_to("/dev/full")
    write_atomically(tmp_path / "null", "x")
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)
    with pytest.raises(OSError, match="full: No space left"):
        write_atomically(tmp_path / "full", "x")
    assert names(tmp_path) == ["full", "null"]


def test_a_pipe_is_written_into_if_somebody_reads_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="cannot write .*pipe"):
        write_atomically(tmp_path / "pipe", "x")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo() and names(tmp_path) == ["pipe"]


def test_standard_output_is_written_into_where_it_is_a_file_too(tmp_path: Path, repository: Path) -> None:
    # a link of the test's own, as /dev/stdout is one: broken code run by root would replace the real one
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    write = "from pathlib import Path; from uhn.files import write_atomically; write_atomically(Path('{}'), 'x')"
    write = write.format(tmp_path / "stdout")
    (tmp_path / "log").write_text("before, ")
    with (tmp_path / "log").open("a") as log:
        subprocess.run([sys.executable, "-c", write + "; print(', after')"], cwd=repository, check=True, stdout=log)
    assert (tmp_path / "log").read_text() == "before, x, after\n" and (tmp_path / "stdout").is_symlink()


def test_a_socket_a_folder_and_a_circle_of_links_are_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        (tmp_path / "folder").mkdir()
        (tmp_path / "circle").symlink_to("circle")
        for name in ("socket", "folder", "circle"):
            with pytest.raises(OSError, match=f"cannot write .*{name}"):
                write_atomically(tmp_path / name, "x")
    assert (tmp_path / "socket").is_socket() and names(tmp_path) == ["circle", "folder", "socket"]


@pytest.mark.parametrize(("moment", "number"), [("fsync", 2), ("fchmod", 2), ("replace", 1)])
def test_of_files_written_together_none_changes_before_all_are_on_the_disk(
    moment: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {tmp_path / "a": "old", tmp_path / "b": "old"}
    write_together(both)
    calls, original = [0], getattr(os, moment)

    def full(*args: object) -> None:
        calls[0] += 1
        if calls[0] == number:
            raise OSError(28, "No space left on device")
        original(*args)

    monkeypatch.setattr(os, moment, full)
    with pytest.raises(OSError, match="No space left"):
        write_together(dict.fromkeys(both, "new"))
    assert [path.read_text() for path in both] == ["old", "old"] and names(tmp_path) == ["a", "b"]
