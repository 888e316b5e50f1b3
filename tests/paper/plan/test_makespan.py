"""The time that a plan takes on several machines, against what no schedule can beat and no greedy one can miss."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uhn.paper.cli import main
from uhn.paper.config import load_config
from uhn.paper.costs import Cost, group
from uhn.paper.makespan import Job, jobs_of, makespan
from uhn.paper.plan import Plan


def critical(jobs: dict[str, Job], name: str) -> float:
    return jobs[name].hours + max((critical(jobs, other) for other in jobs[name].after), default=0.0)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for number in range(draw(st.integers(1, 9))):
        after = draw(st.lists(st.sampled_from(sorted(jobs)), unique=True, max_size=3)) if jobs else []
        jobs[f"job{number}"] = Job(draw(st.integers(0, 20)) / 4, tuple(after))
    return jobs


@given(graphs(), st.integers(1, 12))
def test_it_lies_between_the_bounds_of_list_scheduling(jobs: dict[str, Job], workers: int) -> None:
    total = sum(job.hours for job in jobs.values())
    path = max(critical(jobs, name) for name in jobs)
    found = makespan(jobs, workers)
    assert max(total / workers, path) - 1e-9 <= found <= total / workers + path * (1 - 1 / workers) + 1e-9  # Graham
    assert makespan(jobs, 1) == pytest.approx(total) and makespan(jobs, len(jobs)) == pytest.approx(path)


def test_final_runs_wait_for_the_search_whose_choice_they_take(repository: Path) -> None:
    plan = Plan(load_config(repository / "params.yaml", "smoke"))
    cost = Cost({group(run): {"init": 0.0, "train": 3600.0} for run in (plan.runs | plan.trials).values()})
    jobs = jobs_of(plan, cost)
    assert jobs is not None and {*jobs} == {*plan.groups, *plan.sweep_groups}
    waiting = {name for name, job in jobs.items() if job.after}
    assert waiting == {job for job, names in plan.groups.items() if plan.selections_of(names)} != set()
    assert jobs_of(plan, Cost({})) is None


def test_the_command_says_how_long_and_what_bounds_it(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--params", str(repository / "params.yaml"), "--results", str(repository / "results/reference")]
    assert main(["plan", "--profile", "paper", *places, "--machines", "1", "10000"]) == 0
    *_, one, many, longest = capsys.readouterr().out.splitlines()
    assert one.split()[:1] == ["1"] and one.split()[-1] == "100%" and many.split()[:1] == ["10,000"]
    assert float(many.split()[1].replace(",", "")) < float(one.split()[1].replace(",", "")) / 10
    assert longest.startswith("longest job: ")
    assert main(["plan", "--profile", "paper", *places, "--machines", "0"]) == 2
    assert "at least 1 machine, got 0" in capsys.readouterr().err
