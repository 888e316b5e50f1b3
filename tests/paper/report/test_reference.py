"""Committed reference results: what is rendered from their metrics today is what was committed, byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from uhn.paper.cli import main
from uhn.paper.report.reference import PARAMS, keep
from uhn.paper.report.render import open_book, render
from uhn.paper.runs import checkout
from uhn.paper.runs.archive import HISTORIES, RECORDS
from uhn.paper.runs.results import load_history, load_runs
from uhn.paper.tables import descriptors, single
from uhn.paper.tables.catalogue import tables
from uhn.paper.tables.claims import CLAIMS
from uhn.paper.tables.further import FURTHER

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results" / "reference"
PROFILES = sorted(path.name for path in REFERENCE.glob("*") if path.is_dir())


def test_there_are_reference_results() -> None:
    assert PROFILES


def render_again(profile: str, folder: Path) -> None:
    """Render what is kept of a profile in a copy and compare it: the tables that the profile has made, and the entries
    that coverage.md and claims.md had then. What the code alone says, and tables and claims that came later, may be
    otherwise."""
    kept = REFERENCE / profile
    shutil.copytree(kept, folder / profile)
    shutil.rmtree(folder / profile / "tables")
    book = open_book(folder, profile, folder / profile / PARAMS, present=False, reference=REFERENCE)
    made = {name for name, spec in tables(book.methods).items() if spec.needs != "code"}
    paths = sorted(path for path in (kept / "tables").iterdir() if path.name.split(".")[0] in made)
    assert paths
    render([*sorted({path.name.split(".")[0] for path in paths}), "coverage", "claims"], book, folder)
    for path in paths:
        again = folder / path.relative_to(REFERENCE)
        assert again.read_bytes() == path.read_bytes(), f"{path.name} is not what its metrics give"
    for name in ("coverage.md", "claims.md"):
        before, now = ((place / profile / name).read_text(encoding="utf-8") for place in (REFERENCE, folder))
        lines, entries = iter(now.splitlines()), [text.count("\n| ") for text in (before, now)]
        missing = [line for line in before.splitlines() if line not in lines]  # looks on from the line before
        assert not missing, f"{name} is not what its metrics give"
        assert now == before or entries[0] < entries[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_committed_tables_follow_from_committed_metrics(profile: str, tmp_path: Path) -> None:
    render_again(profile, tmp_path)


def test_what_is_declared_later_leaves_what_was_kept_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, a claim and a layer more, and a row in another's place is found."""
    monkeypatch.setitem(FURTHER, "cifar10-cnn20", ("CNN-20 once more", "accuracy"))
    monkeypatch.setattr("uhn.paper.report.render.CLAIMS", (*CLAIMS, replace(CLAIMS[0], name="again", sentence="Again")))
    monkeypatch.setitem(descriptors.KINDS, "gain", ("Gain", {"size": 2}))
    render_again("earlier-cnn20", tmp_path / "more")
    coverage = (tmp_path / "more/earlier-cnn20/coverage.md").read_text(encoding="utf-8")
    assert "| Again | " in (tmp_path / "more/earlier-cnn20/claims.md").read_text(encoding="utf-8")
    further = [
        text.partition("## Table 29. Further experiments")[2] for text in (coverage, kept_coverage("earlier-cnn20"))
    ]
    assert ["| cifar10-cnn20 | " in text for text in further] == [True, False]
    monkeypatch.setitem(single.TITLES, "ha", "Ha et al.")
    with pytest.raises(AssertionError, match="table02.* is not what its metrics give"):
        render_again("earlier-cnn20", tmp_path / "other")


def kept_coverage(profile: str) -> str:
    return (REFERENCE / profile / "coverage.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_metrics_file_names_a_commit_that_exists(profile: str) -> None:
    commits = set()
    for run in load_runs(REFERENCE, profile).values():
        code = run["code"]
        assert code["commit"] and not code["dirty"], f"{run.name} was made by code that no commit holds"
        commits.add(code["commit"])
    if checkout.commit()["commit"] is None:
        pytest.skip(f"the commits cannot be looked up: {checkout.commit()['unknown']}")
    if checkout.git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("a shallow clone does not hold older commits")
    for commit in commits:
        checkout.git("cat-file", "-e", f"{commit}^{{commit}}")


def train(folder: Path, *names: str) -> None:
    places = [f"--{name}={folder / name}" for name in ("results", "work", "data")]
    assert main(["run", *names, "--profile", "smoke", "--params", str(ROOT / "params.yaml"), *places]) == 0


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Copies the results of runs, each of which is trained once, and returns their folder."""
    made = tmp_path_factory.mktemp("runs")
    for name in ("kan-kv/direct", "kan-kv/uhn"):
        train(made / name, name)

    def copy(folder: Path, *names: str) -> Path:
        for name in names:
            shutil.copytree(made / name / "results", folder / "results", dirs_exist_ok=True)
        return folder / "results"

    return copy


@pytest.fixture(scope="module")
def kept_of_one(tmp_path_factory: pytest.TempPathFactory, runs_of: Callable[..., Path]) -> Callable[[Path], Path]:
    """Copies what is kept of one run's results, and returns the profile's folder."""
    made = tmp_path_factory.mktemp("kept")
    keep(runs_of(made, "kan-kv/direct"), "smoke", ROOT / "params.yaml", made / "kept")
    return lambda target: Path(shutil.copytree(made / "kept", target)) / "smoke"


def small_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_new_runs_join_those_that_are_kept(
    tmp_path: Path, runs_of: Callable[..., Path], kept_of_one: Callable[[Path], Path]
) -> None:
    """What is kept of two machines one after the other is what would have been kept of both at once."""
    machines = (("kan-kv/direct",), ("kan-kv/uhn",), ("kan-kv/direct", "kan-kv/uhn"))
    first, second, both = (runs_of(tmp_path / str(number), *names) for number, names in enumerate(machines))
    target = tmp_path / "kept"
    kept_of_one(target)
    kept = keep(second, "smoke", ROOT / "params.yaml", target)
    runs = load_runs(tmp_path / "kept", "smoke")
    assert {*runs} == {f"kan-kv/{method}/seed-{seed}" for method in ("direct", "uhn") for seed in (21962, 59358)}
    assert not list(kept.rglob("*.safetensors"))
    made = load_runs(first, "smoke") | load_runs(second, "smoke")
    for name, run in runs.items():
        assert run.metrics == made[name].metrics and load_history(run) == load_history(made[name]) != []
    table = keep(both, "smoke", ROOT / "params.yaml", tmp_path / "whole") / "tables" / "table11.csv"
    assert (kept / "tables" / "table11.csv").read_bytes() == table.read_bytes()
    assert sorted(path.name for path in target.iterdir()) == ["report.html", "smoke"]


def test_an_altered_archive_is_refused(tmp_path: Path, kept_of_one: Callable[[Path], Path]) -> None:
    name, kept = "kan-kv/direct/seed-21962", kept_of_one(tmp_path / "kept")
    for file, old, new, message in (
        (RECORDS, '"status":"finished"', '"status":"diverged"', "was altered"),
        (RECORDS, '{"record"', '{"rec', "line 1: wanted the record of a run"),
        (HISTORIES, f"{name},train,", f"{name},init,", "is not the file that metrics.json beside it names"),
    ):
        text = (kept / file).read_text()
        assert old in text
        (kept / file).write_text(text.replace(old, new, 1))
        with pytest.raises(ValueError, match=message):
            load_history(load_runs(tmp_path / "kept", "smoke")[name])
        (kept / file).write_text(text)


def test_a_picture_drawn_from_weights_stays_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs_of: Callable[..., Path]
) -> None:
    for name in ("render", "render_overview"):
        monkeypatch.setattr(f"uhn.paper.report.reference.{name}", lambda *_: None)  # the others' concern
    runs_of(tmp_path, "kan-kv/direct")
    kept = tmp_path / "kept" / "smoke"
    (kept / "figures").mkdir(parents=True)
    (kept / "figures" / "figure4.png").write_bytes(b"kernels")
    keep(tmp_path / "results", "smoke", ROOT / "params.yaml", tmp_path / "kept")
    assert (kept / "figures" / "figure4.png").read_bytes() == b"kernels"
    (tmp_path / "results/smoke/figures").mkdir()
    (tmp_path / "results/smoke/figures/figure4.png").write_bytes(b"newer")
    keep(tmp_path / "results", "smoke", ROOT / "params.yaml", tmp_path / "kept")
    assert (kept / "figures" / "figure4.png").read_bytes() == b"newer"


def test_what_was_kept_stays_until_the_new_is_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs_of: Callable[..., Path],
    kept_of_one: Callable[[Path], Path],
) -> None:
    kept = kept_of_one(tmp_path / "kept")
    before = small_files(tmp_path / "kept")
    runs_of(tmp_path, "kan-kv/uhn")
    monkeypatch.setattr("uhn.paper.report.reference.render", fail)
    with pytest.raises(OSError, match="full"):
        keep(tmp_path / "results", "smoke", ROOT / "params.yaml", tmp_path / "kept")
    assert small_files(tmp_path / "kept") == before and kept.is_dir()


def fail(*_: object) -> None:
    raise OSError(28, "the disk is full")


def test_the_page_says_how_long_kept_runs_took() -> None:
    """A duration on it is one that was measured."""
    rows = {
        line.split("|")[1].strip(): line
        for line in (ROOT / "docs/pipeline.md").read_text().splitlines()
        if "kept runs" in line
    }
    runs = load_runs(REFERENCE, "quick").values()
    assert {run["hardware"]["cores"] for run in runs} == {2}
    seconds = sum(float(run["wall_time_s"]) for run in runs)
    assert f"trained for {seconds / 60:.0f} minutes in all on two cores" in rows["`quick` (default)"]


def test_nothing_is_kept_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "reference" / "quick").mkdir(parents=True)
    (tmp_path / "reference" / "quick" / "old.md").write_text("stays")
    with pytest.raises(ValueError, match="finished runs"):
        keep(tmp_path, "quick", tmp_path / "params.yaml", tmp_path / "reference")
    assert (tmp_path / "reference" / "quick" / "old.md").exists()
