"""``uhn run``, ``uhn plan`` and ``uhn accept``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from uhn.files import write_atomically
from uhn.paper.config import ConfigError, load_config
from uhn.paper.costs import Cost, measure
from uhn.paper.makespan import check_machines, describe_makespans
from uhn.paper.names import RunId, parse_group
from uhn.paper.plan import Plan, describe
from uhn.paper.runs.again import train_again
from uhn.paper.runs.here import check_here
from uhn.paper.runs.identity import source_digest
from uhn.paper.runs.jobs import run_all
from uhn.paper.runs.metrics import read_metrics
from uhn.paper.runs.output import TRY_AGAIN, add_log_format, lasting_output
from uhn.paper.runs.queue import Queue, window, work_off
from uhn.paper.runs.stacked import execute_stack, stacks
from uhn.paper.settings import RunSettings
from uhn.records import RECORD
from uhn.training.interrupts import Stopped


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which settings and which results: every command of the pipeline has them."""
    parser.add_argument("--profile", default="quick", help="profile of params.yaml (default: quick)")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file (default: params.yaml)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder (default: results)")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the folders of commands that train."""
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for progress files (default: work)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data (default: data)")


def plan_of(args: argparse.Namespace) -> Plan:
    """Return the plan that the options of :func:`add_profile` name, with what its sweeps have found so far.

    Raises:
        ConfigError: for wrong settings, or a run anywhere in it that is impossible.
    """
    plan = Plan(load_config(args.params, args.profile), args.results / args.profile)
    plan.check()
    return plan


def train(plan: Plan, names: Iterable[str], *, work: Path, data: Path) -> None:
    """Train runs of a plan that knows its results folder, or resume them, one after another in this process."""
    assert plan.results is not None
    results, folder = plan.results, work / plan.profile
    runs = [plan.run(name) for name in names]
    check_here(runs)
    run_all(
        stacks(runs),
        lambda stack: execute_stack(stack, results=results, work=folder, data_root=data),
        results=results / "runs",
        work=folder,
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn run``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="run, experiment/method or experiment")
    parser.add_argument("--job", help="all runs of a job of the plan")
    parser.add_argument("--again", action="store_true", help="train finished runs a second time and compare the bits")
    parser.add_argument("--missing", action="store_true", help="every run without a result, cheapest first")
    parser.add_argument("--table", help="all runs that a table rests on, e.g. table11")
    parser.add_argument("--within", metavar="DURATION", help="with --missing: save and stop after it, e.g. 2h, 90m")
    parser.add_argument("--until", metavar="HH:MM", help="with --missing: save and stop at that time of day")
    parser.add_argument("--dry-run", action="store_true", help="with --missing: only say what would be done, and when")
    parser.add_argument(
        "--reference",
        type=Path,
        default=Path("results/reference"),
        help="with --missing: kept results, which are not missing (default: results/reference)",
    )
    add_places(parser)
    add_profile(parser)
    add_log_format(parser)
    parser.set_defaults(handler=run_runs)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn plan``."""
    parser.add_argument("--names", action="store_true", help="print the names of the runs, job by job")
    parser.add_argument("--measure", action="store_true", help="first time a few steps of every row")
    parser.add_argument(
        "--machines",
        type=int,
        nargs="+",
        default=(),
        metavar="N",
        help="say how long so many machines take, each like the one that was timed: --machines 1 4 16 64",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data (default: data)")
    add_profile(parser)
    parser.set_defaults(handler=show_plan)


def add_accept(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn accept``."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="run, experiment/method or experiment")
    parser.add_argument("--why", required=True, help="why the change of the code does not matter to them")
    add_profile(parser)
    parser.set_defaults(handler=accept_runs)


ARGUMENTS = {"run": add_run, "plan": add_plan, "accept": add_accept}


def names_of(plan: Plan, asked: list[str]) -> list[str]:
    """Return the run names that ``asked`` (runs, experiment/method, experiment) stand for, each once.

    Raises:
        ConfigError: for a name that stands for nothing.
    """
    found: dict[str, None] = {}
    for name in asked:
        if name.count("/") > 1:
            found[plan.run(name).name] = None
            continue
        experiment, source = parse_group(name)
        sources = plan.config.entry(experiment).methods
        if source and source not in sources:
            raise ConfigError(f"no run {name!r}: {experiment} has the methods {', '.join(sources)}")
        for each in (source,) if source else sources:
            found |= {str(RunId(experiment, each, seed)): None for seed in plan.config.seeds(experiment)}
    return list(found)


def run_runs(args: argparse.Namespace) -> int:
    """Train what was asked for."""
    with lasting_output(args.log_format):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    plan = plan_of(args)
    asked = [
        word
        for word, given in (
            ("names of runs", args.names),
            ("--job", args.job),
            ("--missing", args.missing),
            ("--table", args.table and not args.missing),
        )
        if given
    ]
    if len(asked) != 1:
        wanted = "names of runs, --job, --table or --missing"
        raise ConfigError(f"uhn run: wanted {wanted}, got {' and '.join(asked) or 'none'}")
    if args.again and args.missing:
        raise ConfigError("uhn run: --again goes with names of runs or --job, got it with --missing")
    if args.missing:
        return run_missing(plan, args)
    for option in ("within", "until", "dry_run"):
        if getattr(args, option):
            raise ConfigError(f"uhn run: --{option.replace('_', '-')} goes with --missing, got it without")
    if args.job and args.job not in plan.groups:
        raise ConfigError(f"no job {args.job!r}; there are {', '.join(plan.groups)}")
    if args.table:
        names: Sequence[str] = plan.table(args.table)
    else:
        names = plan.groups[args.job] if args.job else names_of(plan, args.names)
    if args.again:
        return run_again(plan, names, work=args.work, data=args.data)
    train(plan, names, work=args.work, data=args.data)
    return 0


def run_again(plan: Plan, names: Iterable[str], *, work: Path, data: Path) -> int:
    """Train finished runs a second time; 0 if the same bits came out."""
    assert plan.results is not None
    runs = [plan.run(name) for name in names]
    check_here(runs)
    return 0 if train_again(runs, results=plan.results, work=work / plan.profile, data_root=data) else 1


def run_missing(plan: Plan, args: argparse.Namespace) -> int:
    """Say what is missing, then make it until the time is up: then the code says that another call is wanted."""
    assert plan.results is not None
    now, results, folder = time.time(), plan.results, args.work / plan.profile
    seconds = window(args.within, args.until, now)
    queue = Queue.of(plan, args.reference / plan.profile, args.table)
    print(queue.announcement(seconds, now), flush=True)
    if args.dry_run:
        return 0
    check_here(queue.runs)
    deadline = None if seconds is None else time.monotonic() + seconds

    def train_them(runs: Sequence[RunSettings]) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise Stopped
        run_all(
            [runs],
            lambda stack: execute_stack(stack, results=results, work=folder, data_root=args.data, deadline=deadline),
            results=results / "runs",
            work=folder,
            wait=False,
        )

    return 0 if work_off(stacks(queue.runs), train_them) else TRY_AGAIN


def show_plan(args: argparse.Namespace) -> int:
    """Print the plan."""
    for number in args.machines or ():
        check_machines(number)
    plan = plan_of(args)
    if args.measure:
        measure(plan.runs.values(), args.results / plan.profile, args.data)
    print(describe(plan, args.results / plan.profile))
    if args.machines:
        cost = Cost.known(args.results / plan.profile, (plan.runs | plan.trials).values())
        print(describe_makespans(plan, cost, args.machines))
    if args.names:
        searched = {
            job: tuple(n for key in keys for n in plan.trial_names(key)) for job, keys in plan.sweep_groups.items()
        }
        for job, names in (searched | plan.groups).items():
            print(job, *names, sep="\n  ")
    return 0


def accept_runs(args: argparse.Namespace) -> int:
    """Write down, beside each run, that its result stands for the present code, and why."""
    plan = plan_of(args)
    names = names_of(plan, args.names)
    if not args.why.strip():
        raise ConfigError("--why: wanted a reason, got nothing")
    folders = {name: args.results / plan.profile / "runs" / name for name in names}
    for name, folder in folders.items():
        if not (folder / RECORD).is_file():
            raise ConfigError(f"{name}: wanted a finished run to accept, got no {folder / RECORD}")

    for name, folder in folders.items():
        made_by = read_metrics(folder / RECORD)["code"]["digest"]
        note = {"run": name, "made_by": made_by, "digest": source_digest(plan.run(name)), "why": args.why.strip()}
        write_atomically(folder / "accepted.json", json.dumps(note, indent=2) + "\n")
        print(f"{name}: accepted")
    return 0
