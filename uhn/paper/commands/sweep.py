"""``uhn sweep``: run the stages of a sweep, choose after each, and leave the outcome with its reason."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from uhn.files import write_together
from uhn.paper.commands.run import add_places, add_profile, plan_of, train
from uhn.paper.config import ConfigError
from uhn.paper.plan import Plan
from uhn.paper.runs.metrics import read_metrics
from uhn.paper.runs.output import add_log_format, lasting_output
from uhn.paper.sweeps.selection import NothingPasses, Rule, Trial, select, select_rate, why
from uhn.paper.sweeps.stages import Outcome, Stage, Sweep, Values
from uhn.records import RECORD, sealed, to_text
from uhn.tasks import DATASETS


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn sweep``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiment/method")
    parser.add_argument("--job", help="all sweeps of a job of the plan")
    parser.add_argument("--stage", help="only this stage, e.g. stage2")
    parser.add_argument("--select", action="store_true", help="train nothing: choose from the trials that are there")
    add_places(parser)
    add_profile(parser)
    add_log_format(parser)
    parser.set_defaults(handler=run_sweeps)


ARGUMENTS = {"sweep": add_sweep}


def run_sweeps(args: argparse.Namespace) -> int:
    """Run what was asked for; 1 if a sweep ended without a choice."""
    with lasting_output(args.log_format):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    plan = plan_of(args)
    if bool(args.job) == bool(args.names):
        raise ConfigError("uhn sweep: wanted names of sweeps or --job, got " + ("both" if args.job else "neither"))
    if args.job and args.job not in plan.sweep_groups:
        raise ConfigError(f"no job {args.job!r}; there are {', '.join(plan.sweep_groups) or 'none'}")
    names = plan.sweep_groups[args.job] if args.job else args.names
    if unknown := [name for name in names if name not in plan.sweeps]:
        swept = ", ".join(plan.sweeps) or "none"
        raise ConfigError(f"no sweep {', '.join(unknown)}: profile {plan.profile} sweeps {swept}")
    sweeps = [plan.sweeps[name] for name in names]
    asked = [(sweep, sweep.stage(args.stage) if args.stage else None) for sweep in sweeps]
    code = 0
    for sweep, only in asked:
        for stage in sweep.stages if only is None else (only,):
            if not args.select:
                train(plan, sweep.run_names(stage), work=args.work, data=args.data)
            try:
                choose(plan, sweep, stage)
            except NothingPasses as error:  # its later stages have nothing to start from; the other sweeps have
                print(f"uhn: {sweep.key}, {stage.name}: {error}", file=sys.stderr)
                code = 1
                break
    return code


def choose(plan: Plan, sweep: Sweep, stage: Stage) -> Outcome:
    """Choose from the trials up to ``stage`` and write ``<stage>.json`` and ``<stage>.md``.

    Raises:
        ConfigError: if a trial has no result.
        NothingPasses: if no trial can be chosen: all diverged, or are beyond a guardrail. Nothing is written then.
    """
    assert plan.results is not None
    rules = rules_of(plan, sweep, guarded=stage.guarded)
    pool = pool_of(plan, sweep, stage, tuple(rules))
    title = f"{sweep.key}, {stage.name} ({stage.kind})"
    trials = [trial for trial, _ in pool]
    if stage.kind == "rate" and all(trial.diverged for trial in trials):
        order: tuple[Trial, ...] = (select_rate(trials, rules),)
        text = f"# {title}\n\nChosen: **{order[0].name}**: every trial diverged, so the lowest rate is taken.\n"
    else:
        selection = select(trials, rules, guard=stage.guarded)
        order, text = selection.order, why(selection, rules, title)
    values = {trial.name: chosen for trial, chosen in pool}
    top = tuple((trial.name, values[trial.name]) for trial in order[: sweep.entry.top])
    outcome = Outcome(top[0][1], top)
    record = {"sweep": sweep.key, "stage": stage.name, "unit": sweep.unit, "winner": top[0][0]} | outcome.to_json()
    record["pool"] = [
        {
            "name": trial.name,
            "hyperparameters": asdict(chosen),
            "validation": {k: list(v) for k, v in trial.values.items()},
        }
        for trial, chosen in pool
    ]
    files = {sweep.file(plan.results, stage, "md"): text, sweep.file(plan.results, stage): to_text(sealed(record))}
    write_together(files)
    print(f"{title}: {top[0][0]} of {len(pool)}", flush=True)
    return outcome


def rules_of(plan: Plan, sweep: Sweep, *, guarded: bool) -> dict[str, Rule]:
    """How each task of a sweep is judged: accuracy high or RMSE low, and its guardrail (Table 20)."""
    tasks = [task.dataset for task in plan.config.entry(sweep.experiment).tasks]
    rails = sweep.entry.guardrails if guarded else {}
    return {name: Rule(DATASETS[name].classes is not None, rails.get(name)) for name in tasks}


def pool_of(plan: Plan, sweep: Sweep, stage: Stage, tasks: tuple[str, ...]) -> list[tuple[Trial, Values]]:
    """Every configuration tried up to ``stage`` with its validation values by seed; equal ones are one trial.

    In the last stage only the configurations that were run with more seeds take part.
    """
    assert plan.results is not None
    names: dict[Values, str] = {}
    found: dict[Values, dict[int, list[float | None]]] = {}
    last: set[Values] = set()
    for each in sweep.stages[: stage.number]:
        outcome = (before := sweep.before(each)) and Outcome.read(sweep.file(plan.results, before))
        for trial in each.trials:
            values = sweep.values(each, trial, outcome or None)
            names.setdefault(values, f"{each.name}/{trial}")
            if each is stage:
                last.add(values)
            for seed in each.seeds:
                path = plan.results / "runs" / sweep.run_name(each, trial, seed) / RECORD
                found.setdefault(values, {}).setdefault(seed, validation(path, tasks))
    taking_part = last if stage.kind == "seeds" else set(found)
    return [
        (_trial(names[values], values, tasks, list(by_seed.values())), values)
        for values, by_seed in found.items()
        if values in taking_part
    ]


def validation(path: Path, tasks: tuple[str, ...]) -> list[float | None]:
    """Validation value of each task in a trial's metrics, None where it diverged.

    Raises:
        ConfigError: if there is no such result, or it is one of a final run.
    """
    try:
        metrics = read_metrics(path)
    except ValueError as error:
        raise ConfigError(f"{path}: wanted the metrics of a trial, got none ({error})") from None
    if metrics["status"] != "finished":
        return [None] * len(tasks)
    if metrics["settings"].get("score") != "validation":
        raise ConfigError(f"{path}: wanted a score on the validation split, got one on the test set")
    scores = metrics.get("values", {}) if len(tasks) > 1 else {tasks[0]: {"value": metrics.get("validation")}}
    if missing := [name for name in tasks if scores.get(name, {}).get("value") is None]:
        raise ConfigError(f"{path}: wanted a value for {', '.join(missing)}, got none")
    return [scores[name]["value"] for name in tasks]


def _trial(name: str, values: Values, tasks: tuple[str, ...], by_seed: list[list[float | None]]) -> Trial:
    by_task = {task: tuple(row[number] for row in by_seed) for number, task in enumerate(tasks)}
    return Trial(name, values.budget, values.lr, values.init_steps, values.init_lr, by_task)
