"""Finished results: never lost to an engine, never mixed with another run's, never altered without a word."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from farm import failing, seeds
from tiny import Place, counting_steps, tiny

import uhn
from uhn.paper.runs.results import load_history, load_run
from uhn.paper.settings import RunSettings
from uhn.training.loop import Loop

A, B = tiny(rate=0.01), tiny(rate=0.02)
BEFORE = 1 + 4
"""Files that a run writes before its results: whether it can, and its progress after each of four steps."""

FILES = ("model.safetensors", "history.csv", "metrics.json")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def stop_at(step: int, place: Place, run: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run fail when it has taken so many steps."""
    with counting_steps() as count, monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        counted = Loop._advance
        patch.setattr(Loop, "_advance", lambda *args: counted(*args) if count[0] < step else 1 / 0)
        place.run(run)


def test_an_engine_that_removes_the_results_costs_no_training(place: Place) -> None:
    others = tiny(seed=4)
    place.run(A, others)
    before = [place.outcome(run) for run in (A, others)]
    shutil.rmtree(place.results)
    with counting_steps() as count:
        place.run(A, others)
        assert count == [0] and [place.outcome(run) for run in (A, others)] == before
        shutil.rmtree(place.results)  # and once more: the start that put them back has not found them in place
        place.run(A, others)
        assert count == [0] and [place.outcome(run) for run in (A, others)] == before


def test_second_copies_stay_until_a_later_start_has_found_the_results_in_place(place: Place) -> None:
    place.run(A)
    assert {path.name for path in place.work.rglob("*.*")} == set(FILES)
    place.run(A)
    assert not list(place.work.rglob("*"))


def test_an_engine_that_writes_an_older_result_into_the_files_costs_no_training(place: Place) -> None:
    place.run(A)
    old = {name: (place.of(A) / name).read_bytes() for name in FILES}
    place.run(B)
    new = place.outcome(B)
    for name, content in old.items():  # as snakemake restores what it has backed up: into the same file
        with (place.of(B) / name).open("r+b") as file:
            file.truncate()
            file.write(content)
    with counting_steps() as count:
        place.run(B)
    assert count == [0] and place.outcome(B) == new


def test_a_disk_without_room_for_the_second_copy_costs_nothing_else(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.run(A)
    whole = place.outcome(A)
    shutil.rmtree(place.results)
    shutil.rmtree(place.work)
    (place.work / A.name).mkdir(parents=True)
    (place.work / A.name / "finished").write_text("in the way")
    place.run(A)
    assert place.outcome(A) == whole
    assert "no second copy of" in capsys.readouterr().out


def test_the_progress_of_another_setting_outlives_going_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Place(place.folder / "whole")
    whole.run(B)
    place.run(A)
    stop_at(3, place, B, monkeypatch)
    with counting_steps() as count:
        place.run(A)
        assert count == [0]
        place.run(B)
        assert count == [1], "B went on after its third step of four"
    assert place.outcome(B) == whole.outcome(B)
    place.run(B)
    assert [name for name in place.left() if not name.startswith("whole")] == []


def test_the_metrics_of_one_setting_never_stand_for_the_weights_of_another(place: Place) -> None:
    """B dies between the renames of its files; nobody takes what is there for a result of A or of B."""
    first, second = Place(place.folder / "first"), Place(place.folder / "second")
    first.run(A)
    second.run(B)
    place.run(A)
    with failing("replace", BEFORE + 2, 5), pytest.raises(OSError, match="Input/output"):
        place.run(B)
    here = place.of(A)
    assert (here / "model.safetensors").read_bytes() == (second.of(B) / "model.safetensors").read_bytes()
    assert (here / "metrics.json").read_bytes() == (place.of(A) / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="model.safetensors is not the file that metrics.json beside it names"):
        uhn.load_source(here / "model.safetensors")
    place.run(A)
    assert place.outcome(A) == first.outcome(A)
    place.run(B)
    assert place.outcome(B) == second.outcome(B)


def test_a_failure_before_the_renames_leaves_the_result_of_the_other_setting(place: Place) -> None:
    place.run(A)
    whole = place.outcome(A)
    shutil.rmtree(place.work)
    with failing("write", BEFORE + 3, 28), pytest.raises(OSError, match="No space left"):
        place.run(B)
    assert place.outcome(A) == whole
    with counting_steps() as count:
        place.run(A)
    assert count == [0] and place.outcome(A) == whole


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_refused_made_anew_or_changes_nothing(name: str, place: Place, tmp_path: Path) -> None:
    place.run(A)
    place.run(A)  # and no second copy is left
    path, whole = place.of(A) / name, place.outcome(A)
    content, spec = path.read_bytes(), uhn.zoo("kan-g5-kv")
    weights = uhn.load_source(place.of(A) / "model.safetensors")(spec)
    run = load_run(place.of(A) / "metrics.json")
    rows = load_history(run)
    refused = 0
    for seed in seeds(20):
        draw = random.Random(seed)
        damaged = bytearray(content)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            again = load_run(place.of(A) / "metrics.json")
            assert again.metrics == run.metrics and load_history(again) == rows
            assert uhn.load_source(place.of(A) / "model.safetensors")(spec).equal(weights)
        except ValueError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused >= 15
    place.run(A)
    assert place.outcome(A) == whole and place.left() == []


def test_a_flipped_byte_in_weights_that_were_saved_by_hand_is_refused(tmp_path: Path) -> None:
    spec = uhn.zoo("kan-g5-kv")
    uhn.save_source(uhn.Direct(spec), tmp_path / "mine.safetensors")
    content, weights = (
        (tmp_path / "mine.safetensors").read_bytes(),
        uhn.load_source(tmp_path / "mine.safetensors")(spec),
    )
    (tmp_path / "metrics.json").write_text('["of something else"]')
    refused = 0
    for seed in seeds(60):
        draw = random.Random(seed)
        damaged = bytearray(content)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        (tmp_path / "mine.safetensors").write_bytes(damaged)
        try:
            assert uhn.load_source(tmp_path / "mine.safetensors")(spec).equal(weights)
        except ValueError as error:
            refused += 1
            assert "mine.safetensors" in str(error)
    assert refused >= 50
