"""The page over the kept results in a browser: it is quiet, asks for nothing, can be read by everybody, and fits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, browser

from uhn.paper.report.render import overview

ROOT = Path(__file__).parents[3]
AXE = Path(os.environ.get("UHN_AXE", ROOT / "node_modules/axe-core/axe.min.js"))
SCREENS = [(1440, False), (390, False), (1440, True)]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(overview(ROOT / "results/reference", ROOT / "params.yaml"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def shown(chromium: Browser, selector: str) -> bool:
    """Whether an element lies wholly in the window."""
    place = f"document.querySelector({selector!r}).getBoundingClientRect()"
    return bool(chromium.value(f"(({place}).top >= 0) && (({place}).bottom <= innerHeight) && ({place}).height > 0"))


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_page_is_quiet_and_no_wider_than_the_window(page: Path, chromium: Browser, width: int, dark: bool) -> None:
    chromium.open(page, width, dark=dark)
    assert chromium.value("document.documentElement.scrollWidth") <= width
    chromium.value("document.querySelectorAll('.plot').forEach(p => p.dispatchEvent(new PointerEvent('pointerenter')))")
    words = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert not [event for event in chromium.events if event.get("method") in words]
    asked = [e["params"]["request"]["url"] for e in chromium.events if e.get("method") == "Network.requestWillBeSent"]
    assert not [url for url in asked if not url.startswith("data:") and url != page.as_uri()]


def test_the_first_screen_holds_the_headline_the_bar_and_the_claims(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1440)
    assert all(shown(chromium, selector) for selector in ("#headline", "#bar", "#claims tbody tr:last-child"))
    assert chromium.value("document.querySelectorAll('#claims tbody tr').length") >= 20


def test_what_is_linked_to_opens_itself_and_says_how_it_is_cited(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1440, fragment="#runs-mnist-mlp-direct-seed-21962")
    assert shown(chromium, "#runs-mnist-mlp-direct-seed-21962")
    chromium.open(page, 1440, fragment="#table01-mnist-mlp-direct")
    assert shown(chromium, "#table01-mnist-mlp-direct .cite")
    cited = chromium.value("document.querySelector('#table01-mnist-mlp-direct .cite').textContent")
    assert cited.startswith("uhn explain table01 mnist-mlp direct --profile ")
    assert not shown(chromium, "#table01-mnist-mlp-uhn .cite")


def test_the_search_field_finds_without_a_server(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1440)
    chromium.value("query.value = 'cora gcn'; query.dispatchEvent(new Event('input'))")
    assert chromium.value("[...hits.querySelectorAll('a')].some(a => a.hash === '#table01-cora-gcn-uhn')")


def test_values_under_the_pointer_are_those_of_the_picture(page: Path, chromium: Browser) -> None:
    chromium.open(page, 1440, fragment="#runs-mnist-mlp")
    plot = "document.getElementById('runs-mnist-mlp').querySelector('.plot')"
    labels = chromium.value(f"[...{plot}.querySelectorAll('path.line')].map(path => path.dataset.label)")
    chromium.value(f"{plot}.dispatchEvent(new PointerEvent('pointerenter'))")
    assert chromium.value(f"{plot}.querySelectorAll('canvas').length") == 1
    told = chromium.value(f"[...{plot}.querySelectorAll('.u-legend th')].map(head => head.textContent)")
    assert told[0] == "step" and {*labels} <= {*told}


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm install --no-save axe-core, or UHN_AXE=axe.min.js")
@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_nobody_is_left_out(page: Path, chromium: Browser, width: int, dark: bool) -> None:
    chromium.open(page, width, dark=dark)
    chromium.value(AXE.read_text(encoding="utf-8") + ";0")
    for fold in ("#claims-told details", "#table01 details", ".experiment"):  # all of them would take axe minutes
        chromium.value(f"document.querySelector({fold!r}).open = true")
    found = chromium.value(
        "axe.run().then(all => all.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html)]))"
    )
    assert found == []
