from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest
from reporting_synthetic import history, leave, metrics, opened

from uhn.paper.report import coverage, curves, page
from uhn.paper.report.book import Book
from uhn.paper.runs.results import load_runs

VOID = ("meta", "br", "path", "input", "img")


class Reader(html.parser.HTMLParser):
    """Collects ids, links and text, and fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.placed: list[tuple[str, str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            self.attributes.append((key, value or ""))
            self.placed.append((tag, key, value or ""))
            if key == "id":
                self.ids.append(value or "")
            if key == "href":
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

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


def test_every_link_ends_somewhere(results: Path) -> None:
    reader = read(page.to_html(book(results)))
    assert len(reader.ids) == len(set(reader.ids))
    here = [link[1:] for link in reader.links if link.startswith("#")]
    assert len(here) > 50 and not {*here} - {*reader.ids}
    assert {link for link in reader.links if not link.startswith("#")} == {page.PAPER[1], "../report.html"}


def test_the_page_needs_nothing_but_itself(results: Path) -> None:
    text = page.to_html(book(results), {"figure3": b'<svg xmlns="http://www.w3.org/2000/svg"/>'})
    reader = read(text)
    assert not reader.tags & {"link", "iframe", "object", "embed", "base"}
    sources = [value for key, value in reader.attributes if key in ("src", "srcset", "data", "action")]
    assert sources and all(value.startswith("data:image/svg+xml,") for value in sources)
    assert not [key for key, _ in reader.attributes if key.startswith("on")]
    assert not re.search(r"@import|url\(|@font-face|fetch\(|XMLHttpRequest|WebSocket", text)


def test_a_cell_is_a_click_from_its_runs_and_says_how_it_is_cited(results: Path) -> None:
    text = page.to_html(book(results))
    cell = re.search(r'<td class="value" id="table01-mnist-mlp-uhn">.*?</td>', text, re.S)
    assert cell and 'href="#table01-mnist-mlp-uhn"' in cell[0]
    assert '<code class="cite">uhn explain table01 mnist-mlp uhn --profile quick</code>' in cell[0]
    link = re.search(r'href="#(runs-[\w-]+)"', cell[0])
    assert link
    section = text.partition(f'<section id="{link[1]}">')[2].partition("</section>")[0]
    assert all(f'<tr id="{link[1]}-seed-{seed}">' in section for seed in (1, 2, 3))
    assert "ffffffffffffffff" in section and "abcdef01" in section and f"{2:064x}"[:16] in section
    assert "warmup: 5" in section and 'href="#table01-mnist-mlp-uhn"' in section
    assert (
        "runs-mnist-mlp" in text.partition(f'<section id="{link[1]}">')[0].rpartition('<details class="experiment">')[2]
    )


def test_a_run_that_is_linked_to_stands_in_a_fold(results: Path) -> None:
    """Browsers open a fold around what is linked to, the fold itself they do not."""
    reader = read(page.to_html(book(results)))
    assert "runs-mnist-mlp-uhn-seed-1" in reader.ids
    folds = {value for tag, key, value in reader.placed if tag == "details" and key == "id"}
    assert not folds


def test_a_table_comes_before_what_was_reduced(tmp_path: Path) -> None:
    leave(tmp_path, metrics(full=False))
    section = page.to_html(book(tmp_path)).partition('<section id="table01">')[2].partition("</section>")[0]
    assert 0 < section.index("</table>") < section.index("Reduced or otherwise than in the paper: 1 of 1 results")
    assert "<li>Direct: training steps 2,350 / 23,500.</li>" in section and "<li>Direct: seeds 1 / 3.</li>" in section
    leave(tmp_path, metrics(method="uhn"), metrics("cora-gcn"), metrics("cora-gcn", "uhn", full=False))
    matrix = page.to_html(book(tmp_path)).partition('<table class="matrix">')[2].partition("</table>")[0]
    row = matrix.partition('<th scope="row">mnist-mlp</th><td>Direct</td>')[2].partition("</tr>")[0]
    assert "<td>training 2,350 / 23,500</td>" in row


def test_numbers_stand_beside_the_papers_with_the_share_of_its_steps(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(seed=seed, value=0.97 + seed / 1000, full=False) for seed in (1, 2, 3)])
    leave(tmp_path, *[metrics(method="uhn", seed=seed, value=0.5) for seed in (1, 2, 3)])
    section = page.to_html(book(tmp_path)).partition('<section id="table01">')[2].partition("</section>")[0]
    row = section.partition('id="table01-mnist-mlp-direct"')[2].partition("</tr>")[0]
    plain = re.sub(r"<[^>]*>", " ", row)
    assert re.search(r"97 *\.20 .*10 % .* 0 *\.10 .* 3 .* 98 *\.37 .* −1 *\.17 ", plain), plain
    assert "≠" in row and "training steps 23,500 against 2,350 (paper 23,500 against 23,500)" in row
    heads = re.sub(r"<[^>]*>", " ", section.partition("<thead>")[2].partition("</thead>")[0]).split()
    assert heads.count("Direct") == 1 and heads.count("paper") == heads.count("diff.") == 2


def test_what_is_not_run_is_a_dot_and_what_is_the_same_everywhere_a_sentence(results: Path) -> None:
    text = page.to_html(book(results))
    assert '<td class="none" id="table01-cora-gat-uhn"><span>not run</span></td>' in text
    facts = {"grid-uhn": {"mnist-mlp": {"kind": "not swept in this profile"}}}
    swept = page.to_html(opened(results, facts=facts, wanted=("table13",)))
    assert "selected (train lr)" in swept and ": not swept in this profile in every row." in swept


def test_what_runs_say_is_escaped(tmp_path: Path) -> None:
    record = metrics(seed=1)
    evil = '<script>alert("x")</script>&'
    record["data"][0]["detail"] = evil
    record["hardware"]["processor"] = evil
    record["settings"]["note"] = evil
    record["code"]["commit"] = evil
    leave(tmp_path, record)
    text = page.to_html(book(tmp_path))
    assert text.count("<script") == 1 and "&lt;script&gt;" in text
    read(text)


def test_a_diverged_run_and_an_empty_history_are_shown(results: Path) -> None:
    leave(results, metrics("kan-jv", "uhn", 2, None), text=history(0).splitlines()[0] + "\n")
    text = page.to_html(book(results))
    assert re.search(r'<tr id="runs-kan-jv-uhn-seed-1">.*?<td>diverged</td>', text)
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
    found = re.findall(r"<figcaption>([^<]*alidation[^<]*)</figcaption>", page.to_html(book(tmp_path)))
    words = {name: "score" if diverged else "RMSE" if name == "kv" else "accuracy" for name in names}
    assert found == [f"{name}: validation {words[name]}" for name in names]


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
    letters = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = [int(letters[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_curves_stand_out_from_the_page(dark: bool) -> None:
    style = (page.TEMPLATES / "page.css").read_text(encoding="utf-8")
    named = {name: pair[dark] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", style)}
    ground = luminance(named["bg"])
    for name in ("ink", "soft", "link", "note", "stop", "c0", "c1", "c2", "c3", "c4"):
        lighter, darker = sorted((luminance(named[name]), ground), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_curves_skip_what_is_not_finite(tmp_path: Path) -> None:
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
    assert curves.svg([curves.band("a", [])], title="t", x_label="x", y_label="y") == ""


def test_a_band_is_the_mean_between_the_smallest_and_the_largest_seed() -> None:
    seeds = [curves.Curve("a", ((1.0, 0.1), (2.0, 0.4))), curves.Curve("b", ((1.0, 0.3),))]
    found = curves.band("Direct", seeds, factor=100)
    assert found.points == ((1.0, pytest.approx(20), 10.0, 30.0), (2.0, 40.0, 40.0, 40.0))
    long = curves.Curve("a", tuple((float(i), float(i)) for i in range(1000)))
    thin = curves.band("a", [long]).points
    assert len(thin) == curves.MOST and thin[0] == (12.0, 12.0, 0.0, 24.0)


def drawn(text: str, kind: str = "line") -> list[list[tuple[float, float]]]:
    """The points of the lines of an SVG, read back as the page's script does."""
    found = re.search(r'data-extent="([^"]*)"', text)
    assert found
    left, right, low, high = map(float, found[1].split())
    lines = []
    for path in re.findall(rf'<path class="{kind} s\d"[^>]* d="([^"]*)"', text):
        numbers = [int(n) for n in re.findall(r"-?\d+", path)]
        x, y, points = 0, 0, []
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=False):
            x, y = x + dx, y + dy
            across = (x - curves.LEFT) / (curves.WIDTH - curves.LEFT - curves.RIGHT)
            up = (y - curves.TOP) / (curves.HEIGHT - curves.TOP - curves.BOTTOM)
            points.append((left + across * (right - left), high - up * (high - low)))
        lines.append(points)
    return lines


def test_a_curve_can_be_read_back_from_its_picture() -> None:
    bands = [curves.band("Direct", [curves.Curve("a", ((0.0, 50.0), (10.0, 90.0), (20.0, 95.0)))], 96.5),
             curves.band("UHN", [curves.Curve("a", ((0.0, 30.0), (20.0, 70.0)))], 71.0)]  # fmt: skip
    text = curves.svg(bands, title="t", x_label="step", y_label="%", paper=98.4)
    for points, each in zip(drawn(text), bands, strict=True):
        wanted = [point[:2] for point in each.points]
        assert [y for _, y in points] == pytest.approx([y for _, y in wanted], abs=0.1)
        assert [x for x, _ in points] == pytest.approx([x for x, _ in wanted], abs=0.1)
    assert text.count('class="level s') == 2 and text.count('class="papers"') == 1
    far = [curves.band("a", [curves.Curve("a", ((1.0, 1.0), (10.0, 2.0)))]),
           curves.band("b", [curves.Curve("a", ((1.0, 1.0), (1000.0, 3.0)))])]  # fmt: skip
    text = curves.svg(far, title="t", x_label="step", y_label="loss")
    assert " data-far" in text and [x for x, _ in drawn(text)[0]] == pytest.approx([0, 1], abs=0.01)


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
