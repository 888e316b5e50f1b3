"""Curves as characters, and the last lines of a run of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.paper.report.ending import ending
from uhn.paper.report.terminal import BLOCKS, HEIGHT, WIDTH, draw, tell


def heights(lines: list[str]) -> list[int]:
    """Eighths in each column of a drawn curve."""
    rows = [line.partition("│")[2].ljust(WIDTH) for line in lines if "│" in line]
    return [sum(BLOCKS.index(row[place]) for row in rows) for place in range(WIDTH)]


def test_a_curve_is_drawn_by_blocks() -> None:
    points = [(float(step), float(step)) for step in range(1, WIDTH + 1)]
    lines = draw("loss", points)
    found = heights(lines)
    assert found[0] == 1 and found[-1] == 8 * HEIGHT and found == sorted(found)
    assert lines[0].strip() == "loss" and lines[-1].split()[:2] == ["step", "1"] and lines[-1].endswith("60")
    assert lines[1].lstrip().startswith("60 │") and lines[-2].lstrip().startswith("1 │")
    assert draw("loss", [(1.0, float("nan"))]) == [] == tell("loss", [])
    assert len(draw("loss", [(1.0, 2.0)])) == HEIGHT + 2, "one point is a curve too"
    assert "logarithmic" in draw("loss", [(1.0, 1e-6), (2.0, 1.0)])[0]
    assert max(len(line) for line in draw("loss", [(float(n), n % 7.0) for n in range(5000)])) <= WIDTH + 12


def test_a_curve_is_told_where_there_is_no_terminal() -> None:
    assert tell("loss", [(float(n), 2.0 * n) for n in range(1, 12)]) == [
        "loss: 2 at 1, 6 at 3, 10 at 5, 14 at 7, 18 at 9, 22 at 11"
    ]


@pytest.mark.parametrize(("seconds", "told"), [(12.3, "12 s"), (600.0, "10 min"), (9000.0, "2 h 30 min")])
def test_the_last_lines_say_what_came_out(tmp_path: Path, seconds: float, told: str) -> None:
    leave(tmp_path, metrics(seed=1), metrics("cora-gcn", seed=1, value=0.1))
    lines = ending(opened(tmp_path), tmp_path / "quick", seconds, "STAND-IN DATA (cora: x). Reason: y. Cure: z")
    assert len(lines) == 6 and lines[-1] == f"took: {told}"
    assert lines[0].startswith("quick: ") and "results stand at the paper's budget" in lines[0]
    assert "STAND-IN DATA (cora: x). Reason: y. Cure: z" in lines[1]
    assert lines[2] == "no better than guessing: table01 cora-gcn direct"
    assert str(tmp_path / "quick/report.html") in lines[3]
