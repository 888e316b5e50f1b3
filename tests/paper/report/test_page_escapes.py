"""The page shows what a run recorded as text, whatever it recorded."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from reporting_synthetic import metrics

from uhn.paper.report.book import Book
from uhn.paper.report.page import to_html
from uhn.paper.runs.results import Run

HOSTILE = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
FIXED = ("status", "metric", "schema", "kind")
"""Keys whose values are checked when the record is read."""


class Structure(HTMLParser):
    """Collects every tag with the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def structure(html: str) -> list[tuple[str, tuple[str, ...]]]:
    """Tags of a page in order, those of lists and hover texts included."""
    parser = Structure()
    parser.feed(html)
    return parser.tags


def with_texts(value: Any, text: str) -> Any:
    """``value`` with ``text`` behind every text in it, keys that nothing looks up included."""
    if isinstance(value, dict):
        free = not {"target", "train", "commit", "schema", "dataset", "seeds", "lr"} & set(value)
        return {
            (key + text if free else key): (part if key in FIXED else with_texts(part, text))
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [with_texts(part, text) for part in value]
    return value + text if isinstance(value, str) else value


def page(folder: Path, text: str) -> str:
    """The page of one experiment's runs in which ``text`` stands behind everything that is free to be anything."""
    runs = {}
    for method, seed in (("direct", 1), ("uhn", 2)):
        record = metrics("mnist-mlp", method, seed, 0.5, hardware={"processor": "p"}, software={"torch": "2"})
        whole = record | {key: with_texts(part, text) for key, part in record.items() if key not in FIXED}
        whole |= {key: record[key] for key in ("name", "experiment", "method", "seed", "value")}
        whole |= {"resumed": f"1{text}", "taken_from": f"a{text}"}
        run = Run(whole, folder / method)
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / "accepted.json").write_text(json.dumps({"why": f"w{text}", "digest": f"d{text}"}))
        runs[run.name] = run
    reasons = {f"mnist-mlp/uhn{text}": (f"because{text}",)}
    facts = {"citation": {"cora": {"nodes": f"n{text}", "kind": "real"}}}
    book = Book(f"quick{text}", runs, None, frozenset(), facts, frozenset(), reasons=reasons)
    return to_html(book, {f"figure3{text}": b"<svg/>"})


def test_no_text_of_a_record_becomes_a_tag_or_an_attribute(tmp_path: Path) -> None:
    same = "z" * len(HOSTILE)
    harmless, hostile = page(tmp_path / "a", same), page(tmp_path / "b", HOSTILE)
    assert structure(hostile) == structure(harmless)
    assert hostile.count("<script") == harmless.count("<script") == 1 and "<img src=x" not in hostile
    assert hostile.count("&lt;script&gt;") == harmless.count(same) - 1 > 30, "one stands in an anchor, cut to letters"
