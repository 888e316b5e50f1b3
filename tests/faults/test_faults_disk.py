"""A disk that fails, and a process that is killed, at each moment of a run: the next start ends in the same bytes."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from farm import N, failing, seeds
from tiny import Place, child, counting_steps, end_of, tiny

from uhn.paper.settings import RunSettings

METHODS = ("direct", "uhn", "direct", "uhn")
RUNS = [tiny(method, steps=2, seed=3 + number // 2) for number, method in enumerate(METHODS[:N])]
FIRST = 20
"""Calls of each kind that fail, one after another."""


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is what happens when a call fails, not what a disk does: nothing waits for it."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.mark.parametrize("call", ["fsync", "replace", "write", "mkdir", "link"])
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_after_a_failing_call_the_next_start_ends_in_the_same_bytes(
    run: RunSettings, call: str, tmp_path: Path
) -> None:
    whole = Place(tmp_path / "whole")
    with failing(call, 0, None) as count:
        whole.run(run)
    assert count[0] > FIRST / 3 or call == "link"
    outcome, failed = whole.outcome(run), 0
    for number in range(1, min(FIRST, count[0]) + 1):
        place, error = Place(tmp_path / str(number)), (errno.ENOSPC, errno.EIO)[number % 2]
        with failing(call, number, error):
            try:
                place.run(run)
            except OSError as refused:
                failed += 1
                assert refused.errno == error
        assert place.left() == [] or [os.path.basename(path) for path in place.left()] == ["progress.ckpt"]
        place.run(run)
        assert place.outcome(run) == outcome and place.left() == []
    assert failed > count[0] / 2 or call in ("mkdir", "link")


@pytest.mark.parametrize("after", [False, True])
def test_settings_there_and_back_whatever_rename_the_others_died_at(after: bool, tmp_path: Path) -> None:
    """A is finished; B is killed before or after one of its renames; back to A, and to B again."""
    a, b = tiny(rate=0.01, steps=2), tiny(rate=0.02, steps=2)
    whole = {}
    for run in (a, b):
        Place(tmp_path / f"{run.train.lr}").run(run)
        whole[run.train.lr] = Place(tmp_path / f"{run.train.lr}").outcome(run)
    number, struck = 0, True
    while struck:
        number += 1
        place = Place(tmp_path / str(number))
        place.run(a)

        def killed(number: int = number, place: Place = place) -> None:
            replace, count = os.replace, [0]

            def last(source: str, target: str) -> None:
                count[0] += 1
                if after:
                    replace(source, target)
                if count[0] == number:
                    os._exit(9)
                if not after:
                    replace(source, target)

            os.replace = last  # type: ignore[assignment]
            place.run(b)

        struck = end_of(child(killed)) == 9
        with counting_steps() as count:
            place.run(a)
            assert place.outcome(a) == whole[a.train.lr]
            place.run(b)
            assert place.outcome(b) == whole[b.train.lr]
            place.run(b)
        assert place.left() == [] and count[0] <= 4, number
    assert number > 9, "its progress twice, three files of results and their copies"


def test_flipped_bytes_in_what_work_holds_are_never_read_as_good(tmp_path: Path) -> None:
    """Of a progress file and of a second copy: it starts again, or goes on to the same bytes."""
    run = tiny(steps=2)
    whole = Place(tmp_path / "whole")
    whole.run(run)
    outcome = whole.outcome(run)
    for seed in seeds(20):
        draw, place = random.Random(seed), Place(tmp_path / str(seed))
        with failing("replace", 4, errno.EIO), pytest.raises(OSError, match="cannot write"):
            place.run(run)
        path = place.work / run.name / "progress.ckpt"
        if seed % 2:  # a second copy, of which the results are gone
            place.run(run)
            copies = place.work / run.name / "finished"
            path = copies / draw.choice(["model.safetensors", "history.csv", "metrics.json"])
            place.results.rename(place.folder / "gone")
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        place.run(run)
        assert place.outcome(run) == outcome, seed
