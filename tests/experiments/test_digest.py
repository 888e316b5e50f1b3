"""What a digest of code sees, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from uhn.experiments.digest import code_digest, room_digest

CODE = 'def f(x):\n    """Text."""\n    return x + 1  # a comment\n'


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("# more\n" + CODE, True),
        (CODE.replace('"""Text."""', '"""Other text."""'), True),
        (CODE.replace("x + 1", "(x+1)"), True),
        (CODE.replace("x + 1", "x + 2"), False),
        (CODE.replace("def f", "def g"), False),
    ],
)
def test_only_what_runs_counts(tmp_path: Path, changed: str, same: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(CODE)
    before = code_digest([path])
    path.write_text(changed)
    assert (code_digest([path]) == before) is same


def test_a_room_has_a_digest_of_its_own() -> None:
    assert room_digest("layers") != room_digest("models")
