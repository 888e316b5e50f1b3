from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reporting_synthetic import GENERATOR, leave, metrics, opened

from uhn.paper.report.book import Book
from uhn.paper.report.formats import FORMATS, to_csv, to_markdown, to_provenance
from uhn.paper.report.latex import tex, to_tex
from uhn.paper.report.matrix import TITLE
from uhn.paper.report.tables import Table, build
from uhn.paper.tables.catalogue import tables, worth
from uhn.paper.tables.further import FURTHER
from uhn.paper.tables.keys import CellKey

VALUES = {21962: 0.98, 59358: 0.983, 78117: 0.9791}


def table(results: Path, name: str = "table01", **book: Any) -> Table:
    return build(tables()[name], opened(results, **book))


def cell(results: Path, row: str, column: str, name: str = "table01") -> tuple[str, tuple[str, ...]]:
    found = table(results, name).cell(row, column)
    return found.text, found.marks


def test_a_cell_is_the_mean_and_deviation_of_its_seeds(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(seed=seed, value=value) for seed, value in VALUES.items()])
    values = 100 * np.array(list(VALUES.values()))
    assert cell(tmp_path, "mnist-mlp", "direct") == (f"{values.mean():.2f} ± {values.std(ddof=1):.2f}", ())
    read = pd.read_csv(io.StringIO(to_csv(table(tmp_path)))).set_index("row").loc["mnist-mlp"]
    assert read["direct_mean"] == pytest.approx(values.mean())
    assert read["direct_std"] == pytest.approx(values.std(ddof=1))
    assert (read["direct_n"], read["direct_diverged"], read["params_direct"]) == (3, 0, 118_282)
    assert read["direct_paper"] == "98.37"


def test_one_seed_prints_its_value(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1))
    assert cell(tmp_path, "mnist-mlp", "direct") == ("98.00 (n=1)", ("reduced",))


def test_diverged_seeds_are_shown_and_left_out_of_the_mean(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1, value=0.9), metrics(seed=2, value=0.8), metrics(seed=3, value=None))
    assert cell(tmp_path, "mnist-mlp", "direct") == ("85.00 ± 7.07", ("1 of 3 diverged",))
    leave(tmp_path, metrics(seed=1, value=None), metrics(seed=2, value=None))
    assert cell(tmp_path, "mnist-mlp", "direct") == ("diverged", ("3 of 3 diverged",))


@pytest.mark.parametrize("kind", ["subset", "stand-in"])
def test_data_that_are_not_the_real_whole_are_named(tmp_path: Path, kind: str) -> None:
    leave(tmp_path, *[metrics(seed=s, kind=kind) for s in VALUES])
    assert cell(tmp_path, "mnist-mlp", "direct")[1] == (kind,)
    assert f"98.00 ± 0.00 ({kind})" in to_markdown(table(tmp_path))
    assert f"*{kind}*:" in to_markdown(table(tmp_path))


@pytest.mark.parametrize(("value", "marked"), [(0.1, True), (0.1135, True), (0.2, False)])
def test_a_classifier_that_guesses_is_marked(tmp_path: Path, value: float, marked: bool) -> None:
    leave(tmp_path, *[metrics(seed=s, value=value) for s in VALUES])
    assert ("not above the majority class" in cell(tmp_path, "mnist-mlp", "direct")[1]) is marked


@pytest.mark.parametrize(("value", "marked"), [(0.6, True), (0.5, True), (0.49, False)])
def test_a_regression_no_better_than_the_mean_is_not_trained(tmp_path: Path, value: float, marked: bool) -> None:
    leave(tmp_path, *[metrics("kan-kv", "uhn", s, value) for s in VALUES])
    assert ("not trained" in cell(tmp_path, "kan-kv", "uhn", "table11")[1]) is marked


def test_every_reduction_is_in_the_matrix(tmp_path: Path) -> None:
    small = GENERATOR | {"hidden": 32, "index_frequencies": 256}
    rows = {"train": 4000, "val": 0, "test": 1000}
    record = metrics(method="uhn", seed=1, full=False, rows=rows, generator=small)
    record["settings"]["train"]["batch_size"] = 64
    record["budget"]["init_steps"] = 50
    leave(tmp_path, record, metrics(method="direct", seed=1), metrics("cora-gcn", "uhn", seed=1))
    found = table(tmp_path).differences
    assert found.common == ("Direct, UHN: seeds 1 / 3.",)
    ((row, column, texts),) = found.lines
    assert (row, column) == ("mnist-mlp", "UHN")
    assert dict(zip(found.aspects, texts, strict=True)) == {
        "steps": "training 2,350 / 23,500; initialisation 50 / 100",
        "rows": "training 4,000 / 60,000; test 1,000 / 10,000",
        "batch": "64 / 256",
        "generator": "hidden width 32 / 64; index frequencies 256 / 1,024",
    }
    text = to_markdown(table(tmp_path))
    assert "- Direct, UHN: seeds 1 / 3.\n" in text and "| Row | Column | Steps | Rows | Batch | Generator |" in text
    assert text.index("| Image | MNIST | MLP |") < text.index("- *reduced*") < text.index("| mnist-mlp | UHN |")


def test_nothing_is_reduced_at_the_papers_budget(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(method=m, seed=s) for s in VALUES for m in ("direct", "uhn")])
    assert not table(tmp_path).differences
    assert TITLE not in to_markdown(table(tmp_path))


def test_a_column_that_says_one_thing_is_a_sentence(tmp_path: Path) -> None:
    leave(tmp_path, metrics("kan-kv", "uhn", 1, 0.1))
    built = table(tmp_path, "table13")
    sentence = "selected (init lr), selected (init steps), selected (train lr), selected (train epochs)"
    assert f"- {sentence}: not swept in this profile in every row.\n" in to_markdown(built)
    assert "not swept" not in to_markdown(built).partition("\n\n- ")[0]
    assert "not swept" not in to_tex(built).partition(r"\bottomrule")[0]


def test_arms_that_differ_otherwise_than_the_papers_have_a_sign(tmp_path: Path) -> None:
    leave(tmp_path, metrics(method="direct", seed=1, full=False), metrics(method="uhn", seed=1, full=False))
    same = table(tmp_path)  # both a tenth of the paper's steps
    assert "≠" not in same.cell("mnist-mlp", "direct").marks and not any("steps" in each for each in same.unequal)
    leave(tmp_path, metrics(method="uhn", seed=1))
    built = table(tmp_path)
    assert all(built.cell("mnist-mlp", column).marks[-1] == "≠" for column in ("direct", "uhn"))
    sentence = (
        "mnist-mlp/uhn against mnist-mlp/direct: training steps 23,500 against 2,350 (paper 23,500 against 23,500)."
    )
    assert built.unequal == (sentence,)
    text = to_markdown(built)
    assert f"- {sentence}\n" in text and "- *≠*: a comparison whose arms" in text
    assert "reduced; ≠" in to_csv(built) and f"{sentence}\\par" in to_tex(built)


def test_both_generator_counts_are_printed(tmp_path: Path) -> None:
    leave(tmp_path, metrics("cifar10-cnn20", "uhn", 1))
    built = table(tmp_path)
    assert built.cell("cifar10-cnn20", "params_uhn_paper").text == "612,117"
    assert built.cell("cifar10-cnn20", "params_uhn").text == f"{148_353 + 10_260:,}"
    assert built.cell("cora-gcn", "params_uhn").text == "–"


def test_a_base_model_that_is_not_the_papers_is_marked(tmp_path: Path) -> None:
    leave(tmp_path, metrics("cifar10-cnn20", "direct", 1))
    assert cell(tmp_path, "cifar10-cnn20", "params_direct") == ("118,282", ("paper 269,034",))


def test_the_plan_decides_what_is_missing(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1), metrics(seed=9, value=0.1))
    planned = {"mnist-mlp/direct": ["mnist-mlp/direct/seed-1", "mnist-mlp/direct/seed-2"], "mnist-mlp/uhn": ["x"]}
    built = table(tmp_path, planned=planned, known=frozenset({"cora-gcn/uhn"}))
    assert built.cell("mnist-mlp", "direct").text == "98.00 (n=1)"
    assert "1 of 2 missing" in built.cell("mnist-mlp", "direct").marks
    assert built.cell("mnist-mlp", "uhn").text == "not run"
    assert built.cell("cora-gcn", "uhn").text == "not in this profile"
    assert built.cell("cora-gcn", "direct").text == "not built"


def test_members_and_tasks_of_a_run_are_picked(tmp_path: Path) -> None:
    members = {
        "a": {"value": 0.8, "parameters": 1, "seen": True},
        "b": {"value": 0.6, "parameters": 1, "seen": True},
        "c": {"value": 0.5, "parameters": 1, "seen": False},
    }
    tasks = {"mnist": {"value": 0.9, "chance": 0.95}, "kv": {"value": 0.2, "target_std": 0.1}}
    leave(tmp_path, metrics("f", "uhn", 1, 0.7, values=members), metrics("g", "uhn", 1, 0.7, values=tasks))
    book = opened(tmp_path)
    assert book.evidence(CellKey("f", "uhn", "seen")).values() == [pytest.approx(0.7)]
    assert book.evidence(CellKey("f", "uhn", "unseen")).values() == [0.5]
    kv = book.evidence(CellKey("g", "uhn", "task:kv", "rmse"))
    assert kv.values() == [0.2]
    assert kv.cautions == ("not trained",)
    with pytest.raises(ValueError, match="no values for 'task:cora'"):
        book.evidence(CellKey("g", "uhn", "task:cora")).values()


def test_two_renders_of_the_same_runs_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "elsewhere" / "b"
    records = [metrics(method=m, seed=s, value=v) for s, v in VALUES.items() for m in ("direct", "uhn")]
    leave(first, *records)
    later = {"wall_time_s": 99.0, "resumed": 2, "finished_at": "2030-01-01T00:00:00Z"}
    leave(second, *[record | later for record in reversed(records)])
    for form in FORMATS.values():
        text = form(table(first))
        assert text == form(table(second))
        assert not re.search(r"20[23]\d-\d\d|wall|finished_at|/tmp|elsewhere", text)
    shutil.rmtree(second)


def test_latex_is_balanced_and_has_one_entry_a_column(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1, kind="subset"))
    text = to_tex(table(tmp_path))
    bare = re.sub(r"\\[\\{}%&#_$]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert sorted(re.findall(r"\\begin{(\w+\*?)}", text)) == sorted(re.findall(r"\\end{(\w+\*?)}", text))
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 11
    assert all(len(re.findall(r"(?<!\\)&", line)) == len(table(tmp_path).columns) - 1 for line in rows)
    assert tex("a_b & 5% #1 {x} ~ ^ \\ ±") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} $\pm$"
    )


def test_markdown_rows_have_one_entry_a_column(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1))
    lines = [line for line in to_markdown(table(tmp_path)).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table(tmp_path).columns) + 1}


def test_provenance_leads_from_a_cell_to_settings_data_and_code(tmp_path: Path) -> None:
    leave(tmp_path, *[metrics(seed=s) for s in VALUES])
    record = json.loads(to_provenance(table(tmp_path)))
    entry = next(c for c in record["cells"] if (c["row"], c["column"]) == ("mnist-mlp", "direct"))
    assert entry["runs"] == [f"mnist-mlp/direct/seed-{s}" for s in VALUES]
    run = next(r for r in record["runs"] if r["name"] == entry["runs"][0])
    assert run["identity"] == f"{21962:064x}"
    assert run["settings_hash"] == f"{21963:064x}"
    assert run["data"][0]["fingerprint"] == "f" * 64
    assert run["code"]["digest"] == "c" * 64


def test_an_unknown_cell_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="table01 has no row 'mnist'; rows: mnist-mlp, "):
        table(tmp_path).cell("mnist", "uhn")
    with pytest.raises(ValueError, match="has no column 'ha'"):
        table(tmp_path).cell("mnist-mlp", "ha")


def test_the_paper_has_28_tables() -> None:
    further = ["table29"] if FURTHER else []
    assert list(tables()) == [*(f"table{number:02d}" for number in range(1, 29)), *further]


@pytest.mark.parametrize("name", sorted(set(tables()) - {"table06", "table08"}))
def test_every_table_renders_without_runs_in_every_format(tmp_path: Path, name: str) -> None:
    built = table(tmp_path, name)
    keys = [row.key for row in built.spec.rows]
    assert len(keys) == len(set(keys)) == len(pd.read_csv(io.StringIO(to_csv(built))))
    heads = [column.head for column in built.spec.columns]
    assert len(heads) == len(set(heads))
    for form in FORMATS.values():
        assert form(built).endswith("\n")


def test_a_table_is_worth_rendering_for_runs_of_its_own(tmp_path: Path) -> None:
    leave(tmp_path, metrics(seed=1))
    book = opened(tmp_path)
    assert worth(book) == ["table01"]
    leave(tmp_path, metrics("recursive-k1", "uhn", 1), metrics("kan-kv", "uhn", 1, 0.1))
    book = opened(tmp_path, facts={"citation": {"cora": {"nodes": 2708}}})
    assert worth(book) == ["table01", "table05", "table10", "table11"]
    assert worth(Book("quick", {}, {"mnist-mlp/uhn": ["a"]}, wanted=("table04", "figure3"))) == ["table04"]
