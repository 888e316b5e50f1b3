"""Pages for people: their links lead somewhere, their examples run, what is made from code is what the code makes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

import uhn

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks/README.md", ROOT / "config/README.md"],
    key=str,
)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", head)).strip().lower().replace(" ", "-") for head in heads
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)", text):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("name", ["start", "concepts", "coming-from"])
def test_the_examples_of_a_page_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in order, as a reader would type them."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / f"docs/{name}.md").read_text(encoding="utf-8"), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, f"docs/{name}.md", "exec"), scope)
    if name == "start":
        most = scope["y"].bincount().max() / len(scope["y"])
        assert scope["accuracy"] > 0.8 > 0.6 > most
    if name == "coming-from":
        assert scope["logits"].shape == (1, 32, 3) and scope["penalty"].isfinite()


def test_no_page_has_examples_that_nothing_runs() -> None:
    """The others are run by tests/paper/cli (README, library) and tests/paper/docs (CONTRIBUTING)."""
    with_code = {page.stem for page in PAGES if "```python" in page.read_text(encoding="utf-8")}
    assert with_code == {"README", "CONTRIBUTING", "library", "start", "concepts", "coming-from"}


def test_the_readme_is_for_a_stranger() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    assert sum(line.startswith("| **") for line in lines) == 23, "the paper's claims"


def test_a_version_is_the_same_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    heads = re.findall(r"^## (.+)$", changes, re.M)
    versions = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)", head) for head in heads[1:]]
    assert heads[0] == "Unreleased" and all(versions) and versions[0]
    assert (uhn.__version__, citation["date-released"]) == versions[0].groups()
    assert citation["version"] == uhn.__version__
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for part in changes.split("\n## ")[1:]:
        named = re.findall(r"^### (.+)$", part, re.M)
        assert len(named) == len({*named} & kinds), f"{part.splitlines()[0]}: {named}"


def test_every_page_stands_in_the_list_of_the_site() -> None:
    listed = re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= {*listed}, "mkdocs.yml: nav"


def test_the_page_of_the_api_has_every_public_name() -> None:
    named = re.findall(r"^::: uhn\.(\w+)$", (ROOT / "docs/api.md").read_text(encoding="utf-8"), re.M)
    assert sorted(named) == sorted({*uhn.__all__} - {"__version__"})


def test_the_pictures_are_what_the_objects_are() -> None:
    """And every picture that a page shows is there, or the first test would fail."""
    drawn = runpy.run_path(str(ROOT / "docs/site/pictures.py"))["pictures"]()
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs/pictures").iterdir()}
    assert kept == drawn, "run: python docs/site/pictures.py"
    assert "out_idx 0..23: what" in drawn["ranges.svg"] and drawn["ranges.svg"].count("refused") == 1


def test_a_flowchart_is_drawn_without_a_script() -> None:
    draw = runpy.run_path(str(ROOT / "docs/site/flowchart.py"))["svg"]
    drawn = draw("flowchart LR\n    fetch --> train_mnist\n    train_mnist --> render\n    fetch --> render\n")
    assert drawn.count("<rect") == 3 and drawn.count("<path") == 3 and "train mnist" in drawn
    left = {name: float(x) for x, name in re.findall(r'<rect x="([\d.]+)".*?>(fetch|train mnist|render)</text>', drawn)}
    assert left["fetch"] < left["train mnist"] < left["render"]


def test_every_page_of_a_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w./]*)`", (ROOT / "docs/reliability.md").read_text(encoding="utf-8"))
    assert len(named) > 10 and all((ROOT / name).exists() for name in named)


def test_the_site_builds_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every warning is an error: links, anchors, names in the API, pages in no list; no page asks the network."""
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    monkeypatch.chdir(ROOT)
    try:
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    except Abort as stopped:  # it is no Exception
        pytest.fail(str(stopped))
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    assert "paper/table01.html" in pages and "uhn.UniversalHypernetwork" in pages["api.html"]
    for name in (name for name in pages if name.startswith("paper/table")):
        assert pages[name].count("<h1 ") == 1 and 'href="#commands" class="md-nav__link"' in pages[name], name
    for name, text in pages.items():
        assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?https?:", text), name
