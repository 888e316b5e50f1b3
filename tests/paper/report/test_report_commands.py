from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics

from uhn.paper.cli import parser
from uhn.paper.report.render import open_book, render


def command(*words: object) -> int:
    arguments = parser().parse_args([str(word) for word in words])
    return int(arguments.handler(arguments))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return leave(tmp_path, *[metrics(method=m, seed=s) for m in ("direct", "uhn") for s in (1, 2)])


def test_render_writes_what_is_asked_for(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("render", "table01", "coverage", "--results", results, "--no-plan") == 0
    written = capsys.readouterr().out.splitlines()
    names = [Path(line).relative_to(results / "quick").as_posix() for line in written]
    endings = ("md", "csv", "tex", "provenance.json")
    assert names == [*(f"tables/table01.{ending}" for ending in endings), "coverage.md"]
    assert all(Path(line).stat().st_size > 100 for line in written)
    assert not list(results.rglob(".table*"))


def test_render_all_includes_the_page(results: Path) -> None:
    paths = render(["all"], open_book(results, "quick"), results)
    assert {"table01.md", "coverage.md", "report.html"} <= {path.name for path in paths}


def test_figures_are_drawn_where_their_runs_are(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": {"value": 0.8, "parameters": 10, "seen": True}, "b": {"value": 0.6, "parameters": 20, "seen": False}}
    leave(results, metrics("cnn-mixed-width", "uhn", 1, 0.7, values=values), metrics("cifar10-cnn20", "uhn", 1, 0.5))
    leave(results, metrics("cifar10-cnn32", "uhn", 1, 0.5))
    book = open_book(results, "quick")
    paths = render(["all", "curves-mnist-mlp"], book, results)
    names = {path.relative_to(results / "quick").as_posix() for path in paths}
    drawn = {name for name in names if name.startswith("figures/")}
    stems = ("figure3", "parameters", "curves-mnist-mlp")
    assert drawn == {f"figures/{stem}.{ending}" for stem in stems for ending in ("png", "svg", "csv")}
    assert {"tables/table02.md", "tables/table03.md"} <= names
    monkeypatch.setattr("uhn.paper.report.render.save", lambda figure, stem, data: [stem])
    curves = {path.name for path in render(["curves"], book, results)}
    assert curves == {f"curves-{run['experiment']}" for run in book.runs.values()}
    with pytest.raises(ValueError, match="empty frame"):
        render(["figure5"], book, results)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["render", "table99"], "cannot render 'table99'; known: all, descriptors, curves, table01"),
        (["render", "table01", "--profile", "huge"], "no results folder"),
        (["explain", "table99", "a", "b"], "no table 'table99'; tables: table01"),
        (["explain", "table01", "a", "uhn"], "no row 'a'; rows: mnist-mlp"),
        (["explain", "table01", "mnist-mlp", "b"], "no column 'b'; columns: "),
        (["explain", "table01"], "table01 wants a row; rows: mnist-mlp"),
        (["explain", "table01", "mnist-mlp"], "table01 wants a column; columns: "),
    ],
)
def test_bad_input_says_what_there_is(results: Path, words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        command(*words, "--results", results, "--no-plan")
    assert not (results / "quick/tables").exists()


def test_a_broken_result_stops_the_render(results: Path) -> None:
    path = results / "quick/runs/mnist-mlp/uhn/seed-1/metrics.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match="not whole JSON"):
        command("render", "table01", "--results", results, "--no-plan")


def test_a_folder_that_cannot_be_written_is_named(results: Path) -> None:
    (results / "quick/tables").write_text("a file")
    with pytest.raises(OSError, match="cannot write .*table01.md"):
        command("render", "table01", "--results", results, "--no-plan")


def test_explain_shows_the_whole_way(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("explain", "table01", "mnist-mlp", "uhn", "--results", results, "--no-plan") == 0
    text = capsys.readouterr().out
    for part in (
        "table01 / mnist-mlp / uhn: 98.00 ± 0.00 (reduced, ≠)",
        "paper      98.41 (inferred: Table 5's K = 0 is most likely this run)",
        "differs    seeds 2 (paper 3)",
        "seeds      1, 2",
        "hardware   ",
        "initialisation loss: ",
        "training loss: ",
        "accuracy % while training: ",
        "run        mnist-mlp/uhn/seed-2",
        f"identity   {1:064x}",
        f"settings   {2:064x}",
        '"lr": 0.0002',
        "data       mnist: real",
        f"code       commit abcdef0123456789, digest {'c' * 64}",
        str(results / "quick/runs/mnist-mlp/uhn/seed-1/history.csv"),
    ):
        assert part in text
    assert command("explain", "table01", "mnist-mlp", "params_uhn", "--results", results, "--no-plan") == 0
    assert "rests on no run" in capsys.readouterr().out


def test_explain_says_where_a_cell_that_has_no_run_here_has_one(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a fresh clone, where only what is kept has numbers."""
    (tmp_path / "reference/paper").mkdir(parents=True)
    for name in ("records.jsonl", "histories.csv", "params.yaml"):
        shutil.copy(repository / "results/reference/paper" / name, tmp_path / "reference/paper")
    places = ["--results", tmp_path, "--params", repository / "params.yaml"]
    assert command("explain", "table01", "citeseer-gat", "uhn", *places) == 0
    text = capsys.readouterr().out
    told = next(line for line in text.splitlines() if line.startswith("elsewhere "))
    assert text.splitlines()[0].endswith(": not run")
    value = told.removeprefix("elsewhere").partition(" in paper (reference): ")[0].strip().partition(" (")[0]
    again = told.partition(": uhn ")[2].split()
    assert again[-2:] == ["--results", str(tmp_path / "reference")]
    assert command(*again, "--params", repository / "params.yaml") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"table01 / citeseer-gat / uhn: {value}") and "±" in value
    assert "\nseeds      21962, " in text and "\nhardware   NVIDIA H200 (cuda): " in text
