"""Signals at seeded moments, several processes at once, output that cannot be written: nothing lost, nothing left."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from farm import seeds
from tiny import Place, child, counting_steps, end_of, tiny

from uhn.training.loop import Loop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
JOB, SWEEP = ("run", "--job", "functions/seed-21962"), ("sweep", "--job", "sweeps-functions")
EVENTS = ("open", "os.")
"""Beginnings of the names of what the interpreter tells before it asks the system for a file."""


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def struck(work: Callable[[], int], number: int, moment: int, below: Path) -> int:
    """Do ``work`` in a child that gets a signal at the ``moment``-th use of a file below a folder; return its end."""
    count, folder = [0], os.fspath(below)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(EVENTS) and arguments and str(arguments[0]).startswith(folder):
            count[0] += 1
            if count[0] == moment:
                os.kill(os.getpid(), number)

    def watched() -> int:
        sys.addaudithook(watch)
        return work()

    return end_of(child(watched))


def results_of(place: Place) -> dict[str, bytes]:
    """Weights of the runs, and the outcomes of the sweeps' stages."""
    found = (*place.results.rglob("*.safetensors"), *place.results.rglob("stage*.md"))
    return {path.relative_to(place.results).as_posix(): path.read_bytes() for path in found}


def left(place: Place) -> list[str]:
    """Temp files, locks and progress, and whatever else is no result or second copy."""
    known = ("model.safetensors", "history.csv", "metrics.json", "stage1", "stage2", "stage3", "stage4")
    files = [path for path in place.folder.rglob("*") if path.is_file()]
    return [path.relative_to(place.folder).as_posix() for path in files if not path.name.startswith(known)]


@pytest.mark.parametrize(("command", "cases", "moments"), [(JOB, 5, 220), (SWEEP, 4, 400)], ids=["job", "sweep"])
def test_a_signal_at_any_moment_leaves_nothing_behind(
    command: tuple[str, ...], cases: int, moments: int, tmp_path: Path
) -> None:
    whole = Place(tmp_path / "whole")
    assert whole.command(*command) == 0  # in this process: it imports what the children then need not
    wanted, ends = results_of(whole), []
    assert len(wanted) >= 4
    for seed in seeds(cases):
        draw, place = random.Random(seed), Place(tmp_path / str(seed))
        number = SIGNALS[seed % len(SIGNALS)]
        moment = draw.randrange(1, moments)
        ends.append(struck(lambda place=place: place.command(*command), number, moment, place.folder))  # type: ignore[misc]
        assert ends[-1] in (0, 130, 143, -number), (seed, number, moment)
        assert end_of(child(lambda place=place: place.command(*command))) == 0  # type: ignore[misc]
        assert results_of(place) == wanted, (seed, number, moment)
        assert left(place) == [], (seed, number, moment)
    assert sum(end != 0 for end in ends) > len(ends) / 2, "most of the signals struck"


def test_six_processes_train_one_run_once(tmp_path: Path) -> None:
    run = tiny("uhn", steps=6)
    whole, place = Place(tmp_path / "whole"), Place(tmp_path / "six")
    with counting_steps() as count:
        whole.run(run)
    place.folder.mkdir()

    def work() -> None:
        advance = Loop._advance

        def noted(*args: object) -> object:
            with (tmp_path / "steps").open("a") as file:
                file.write("x")
            return advance(*args)  # type: ignore[arg-type]

        Loop._advance = noted  # type: ignore[method-assign, assignment]
        place.run(run)

    children = [child(work, str(tmp_path / "said")) for _ in range(6)]
    assert [end_of(pid) for pid in children] == [0] * 6, (tmp_path / "said").read_text()
    assert len((tmp_path / "steps").read_text()) == count[0] == 8
    assert place.outcome(run) == whole.outcome(run) and place.left() == []
    assert (tmp_path / "said").read_text().count("finished before") == 5


def test_output_that_cannot_be_written_costs_the_words_only(tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    assert whole.command("run", "kan-kv/direct") == 0
    full, gone = Place(tmp_path / "full"), Place(tmp_path / "gone")
    assert end_of(child(lambda: full.command("run", "kan-kv/direct"), "/dev/full")) == 0
    reader, writer = os.pipe()
    os.close(reader)  # whoever should read has gone
    assert end_of(child(lambda: gone.command("run", "kan-kv/direct"), f"/proc/self/fd/{writer}")) == 0
    os.close(writer)
    assert results_of(full) == results_of(gone) == results_of(whole)
