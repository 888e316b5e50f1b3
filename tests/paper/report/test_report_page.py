from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest
from reporting_synthetic import history, leave, metrics, opened

from uhn.paper.report import coverage, curves, page
from uhn.paper.report.book import Book
from uhn.paper.report.style import STYLE
from uhn.paper.runs.results import load_runs

VOID = ("meta", "line", "circle", "br", "path")


class Reader(html.parser.HTMLParser):
    """Collects ids, links and text, and fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            self.attributes.append((key, value or ""))
            if key == "id":
                self.ids.append(value or "")
            if key == "href":
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def book(results: Path) -> Book:
    return opened(results)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    leave(tmp_path, *[metrics(method=m, seed=s, kind="subset") for m in ("direct", "uhn") for s in (1, 2, 3)])
    return leave(tmp_path, metrics("kan-jv", "uhn", 1, None), metrics("kan-jv", "direct", 1, 0.01))


def test_every_link_stays_on_the_page_and_ends_somewhere(results: Path) -> None:
    reader = read(page.to_html(book(results)))
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.links and all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)


def test_the_page_needs_nothing_but_itself(results: Path) -> None:
    text = page.to_html(book(results))
    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert not [a for a in reader.attributes if a[0] in ("src", "srcset", "data", "action") or a[0].startswith("on")]
    assert not re.search(r"https?://|@import|url\(|@font-face", text)


def test_a_cell_is_two_clicks_from_settings_data_code_and_curve(results: Path) -> None:
    text = page.to_html(book(results))
    cell = re.search(r'id="table01-mnist-mlp-uhn"[^>]*>.*?href="#([\w-]+)"', text)
    assert cell
    section = text.partition(f'<section id="{cell[1]}">')[2].partition("</section>")[0]
    assert section.count("<details") == 3
    assert "polyline" in section and "ffffffffffffffff" in section and "abcdef01" in section
    assert "&quot;warmup&quot;: 5" in section and f"{2:064x}" in section
    assert 'href="#table01"' in section


def test_a_table_comes_before_the_list_of_what_was_reduced(tmp_path: Path) -> None:
    leave(tmp_path, metrics(full=False))
    section = page.to_html(book(tmp_path)).partition('<section id="table01">')[2].partition("</section>")[0]
    assert 0 < section.index("</table>") < section.index("Where the runs are not the paper")


def test_short_names_are_not_broken_at_their_hyphens(results: Path) -> None:
    text = page.to_html(book(results))
    assert re.search(r'<td class="short"[^>]*><div>CNN-20</div>', text)
    assert '<td class="short"' not in text.partition('<section id="coverage">')[2]
    assert re.search(r"\.short \{[^}]*white-space: nowrap", STYLE)


def test_what_runs_say_is_escaped(tmp_path: Path) -> None:
    record = metrics(seed=1)
    evil = '<script>alert("x")</script>&'
    record["data"][0]["detail"] = evil
    record["hardware"]["processor"] = evil
    record["settings"]["note"] = evil
    record["code"]["commit"] = evil
    leave(tmp_path, record)
    text = page.to_html(book(tmp_path))
    assert "<script" not in text and "&lt;script&gt;" in text
    read(text)


def test_a_diverged_run_and_an_empty_history_are_shown(results: Path) -> None:
    leave(results, metrics("kan-jv", "uhn", 2, None), text=history(0).splitlines()[0] + "\n")
    text = page.to_html(book(results))
    assert "kan-jv/uhn/seed-1: diverged" in text
    read(text)


@pytest.mark.parametrize("diverged", [False, True])
def test_tasks_with_different_metrics_have_a_curve_each(tmp_path: Path, diverged: bool) -> None:
    """A cell of the history then holds a value a task, in the order of the settings (not of the sorted metrics)."""
    names = ["mnist", "cifar10", "cora", "pubmed", "ag_news", "kv"]
    record = metrics("multi-task", "uhn", 1, None)
    record["settings"]["tasks"] = [{"dataset": name, "model": "m", "probability": 0.2} for name in names]
    if not diverged:
        each = {name: {"metric": "rmse" if name == "kv" else "accuracy", "value": 0.5} for name in sorted(names)}
        record |= {"status": "finished", "values": each}
    lines = ["phase,step,epoch,lr,loss,metric,seconds", "train,1,1,1,2.0,.1 .2 .3 .4 .5 8,0", "train,2,2,1,2.0,,0"]
    run = load_runs(leave(tmp_path, record, text="\n".join(lines) + "\n"), "quick")["multi-task/uhn/seed-1"]
    for part, value in enumerate((0.1, 0.2, 0.3, 0.4, 0.5, 8.0)):
        assert curves.history_curves([run], "train", "metric", part) == [curves.Curve("seed 1", ((1.0, value),))]
    outcome = "diverged" if diverged else "finished, ag_news accuracy 0.5, cifar10 accuracy 0.5, cora accuracy"
    assert run.outcome.startswith(outcome)
    found = re.findall(r"<figcaption>([^<]*) while training</figcaption>", page.to_html(book(tmp_path)))
    words = {name: "Score" if diverged else "RMSE" if name == "kv" else "Accuracy" for name in names}
    assert found == [f"{name}: {words[name]}" for name in names]


def test_levels_of_a_chain_have_a_curve_each(tmp_path: Path) -> None:
    """Each level counts its own steps and fits another model: one line through all of them means nothing."""
    record = metrics("recursive-k2", "uhn", 1)
    record["settings"]["depth"] = 2
    losses = {level: [level + 1 / step for step in (1, 2, 3)] for level in (10, 20, 30)}
    lines = ["phase,step,epoch,lr,loss,metric,seconds"]
    lines += [f"init,{step},1,1,{loss},,0" for each in losses.values() for step, loss in enumerate(each, 1)]
    lines += ["train,1,1,1,2.0,,0", "train,2,1,1,1.0,,0"]
    leave(tmp_path, record, text="\n".join(lines) + "\n")
    run = load_runs(tmp_path, "quick")["recursive-k2/uhn/seed-1"]
    for level, each in enumerate(losses.values()):
        (curve,) = curves.history_curves([run], "init", "loss", level=level)
        assert curve.points == tuple(enumerate(each, 1))
    assert curves.history_curves([run], "init", "loss", level=3) == []
    found = re.findall(r"<figcaption>(Initialisation[^<]*)</figcaption>", page.to_html(book(tmp_path)))
    assert found == ["Initialisation loss of H1", "Initialisation loss of H2", "Initialisation loss of the model"]


def test_the_outcome_of_a_trial_is_its_validation_value(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1), metrics(seed=2, value=None, status="finished", validation=0.25))
    assert [run.outcome for run in load_runs(tmp_path, "quick").values()] == [
        "finished, accuracy 0.98",
        "finished, validation accuracy 0.25",
    ]


def test_a_page_without_runs_is_whole(tmp_path: Path) -> None:
    assert "not run" in page.to_html(book(tmp_path))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_and_curves_stand_out_from_white() -> None:
    named = dict(re.findall(r"--(ink|soft|link|note): (#\w{6})", STYLE))
    assert set(named) == {"ink", "soft", "link", "note"}
    for colour in (*named.values(), *curves.COLOURS):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_ten_seeds_look_different() -> None:
    assert len({(curves.colour(n), curves.dash(n)) for n in range(10)}) == 10


def test_curves_are_thinned_by_means_and_skip_what_is_not_finite(tmp_path: Path) -> None:
    assert curves.thinned([(float(i), float(i)) for i in range(1000)], 10)[0] == (49.5, 49.5)
    lines = [
        "phase,step,epoch,lr,loss,metric,seconds",
        "train,0,0,1,2.0,,0",
        "train,1,0,1,nan,,0",
        "train,2,0,1,inf,,0",
    ]
    leave(tmp_path, metrics(seed=1), text="\n".join(lines) + "\n")
    run = load_runs(tmp_path, "quick")["mnist-mlp/direct/seed-1"]
    assert curves.history_curves([run], "train", "loss") == [curves.Curve("seed 1", ((0.0, 2.0),))]
    assert curves.history_curves([run], "train", "metric") == []
    assert curves.svg([], title="t", x_label="x", y_label="y") == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 23_500), (0.9, 0.97), (-3, 4), (5, 5)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = curves.ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 1.0), (-30.0, 4.0), (-0.9, -0.2)])
def test_logarithmic_ticks_are_one_two_five(low: float, high: float) -> None:
    found = curves.log_ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(f"{10**value:.0e}"[0] in "125" and low <= value <= high for value in found)


def test_coverage_lists_every_table_figure_and_cell(results: Path) -> None:
    text = coverage.to_markdown(book(results))
    for number in range(1, 29):
        assert f"## Table {number}. " in text
    for number in range(1, 6):
        assert f"## Figure {number}. " in text
    assert "| mnist-mlp | uhn | subset | 3 of 3 (paper 3) | 100 % | abcdef01 |" in text
    assert "| kan-jv | uhn | reduced, diverged | 0 of 1 (paper 3) | – | abcdef01 |" in text
    assert "| cora-gat | direct | not run | – | – | – |" in text
    assert "Figure 1. Settings (diagram) | 1 out of scope |" in text


def test_coverage_gives_the_budgets_share_and_changed_code(tmp_path: Path) -> None:
    code = {"commit": "0123456789abcdef", "dirty": True, "digest": "d"}
    leave(tmp_path, metrics(seed=1, full=False, code=code))
    assert "| mnist-mlp | direct | reduced | 1 of 1 (paper 3) | 10 % | 01234567+ |" in coverage.to_markdown(
        book(tmp_path)
    )
