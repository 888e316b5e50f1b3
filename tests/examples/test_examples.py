"""Every example runs to its end, with few steps; docs/examples.md shows lines such as it prints."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
NUMBER = re.compile(r"\b(?:inf|nan)\b|-?\d+\.\d+|(?<![\w-])\d[\d,]*(?![\w-])")
ELSEWISE = re.compile(r"initialisation: |fit: |mnist: |\s*$")
"""Progress, and what data there are."""


@pytest.fixture(scope="module")
def page() -> str:
    return (FOLDER.parent / "docs" / "examples.md").read_text(encoding="utf-8")


def words(text: str) -> list[list[str]]:
    """The words of each line, without its numbers."""
    return [NUMBER.sub("#", line).split() for line in text.splitlines() if not ELSEWISE.match(line)]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_prints_what_the_page_shows(
    name: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("UHN_DATA_MIRROR", raising=False)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nothing from outside
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "--quick"])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    shown = page.split(f": `examples/{name}.py`\n")[1].split("```text\n")[1].split("```")[0]
    assert words(capsys.readouterr().out) == words(shown)


def test_the_page_has_every_example(page: str) -> None:
    assert sorted(re.findall(r"^## .+: `examples/(\w+)\.py`$", page, re.MULTILINE)) == NAMES
