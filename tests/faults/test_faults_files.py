"""Writing one file while the disk fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from farm import failing

from uhn.files import write_atomically


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace", "write", "mkdir"])
def test_a_failing_call_leaves_the_old_file_or_the_new_one(call: str, error: int, tmp_path: Path) -> None:
    for number in (1, 2):
        old, new = tmp_path / call / str(number) / "old", tmp_path / call / str(number) / "folder" / "new"
        write_atomically(old, "old")
        with failing(call, number, error) as count:
            for path in (old, new):
                try:
                    write_atomically(path, "new")
                except OSError as refused:
                    assert refused.errno == error and str(path) in str(refused)
        assert count[0] >= number
        assert old.read_text() in ("old", "new") and (not new.exists() or new.read_text() == "new")
        assert [path for path in tmp_path.rglob(".*")] == []
