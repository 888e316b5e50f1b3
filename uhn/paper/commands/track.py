"""``uhn metrics`` and ``uhn restore``: what goes to DVC, and how a clone gets it back."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from uhn.paper.commands.run import add_profile, plan_of
from uhn.paper.config import ConfigError
from uhn.paper.report.elsewhere import Elsewhere, bring
from uhn.paper.report.render import open_book
from uhn.paper.report.tracked import write_cells, write_curves


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn metrics``."""
    add_profile(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write a file per cell there")
    parser.add_argument("--curves", type=Path, metavar="FOLDER", help="draw the losses of each experiment there")
    parser.set_defaults(handler=write_metrics)


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn restore``."""
    add_profile(parser)
    parser.add_argument(
        "place",
        nargs="?",
        help="a zip of `uhn archive`, a results folder, or either at s3://bucket/path (default: the DVC remote)",
    )
    parser.add_argument("--no-pull", action="store_true", help="the files are here already (after dvc checkout)")
    parser.set_defaults(handler=restore_results)


ARGUMENTS = {"metrics": add_metrics, "restore": add_restore}


def pipeline_file(profile: str) -> Path:
    """Where the pipeline of a profile stands."""
    return Path("dvc.yaml") if profile == "quick" else Path("pipelines") / profile / "dvc.yaml"


def write_metrics(args: argparse.Namespace) -> int:
    """Write the cells, and draw the curves."""
    book = open_book(args.results, args.profile, args.params, present=False)
    write_cells(book, args.out)
    print(args.out)
    if args.curves:
        write_curves(book, args.curves)
        print(args.curves)
    return 0


def restore_results(args: argparse.Namespace) -> int:
    """From the DVC remote, or from a place that is named."""
    return _pulled(args) if args.place is None else _brought(args)


def _brought(args: argparse.Namespace) -> int:
    brought = bring(Elsewhere(args.place), args.profile, args.results)
    print(f"{args.results / args.profile}: {brought.written} runs restored, {brought.there} were there")
    if brought.bare:
        print(
            f"without weights, e.g. {brought.bare[0]}: {len(brought.bare)} runs, which `snakemake tables` trains again"
        )
    print(f"the tables: uhn render all --profile {args.profile}")
    return 0


def _pulled(args: argparse.Namespace) -> int:
    """Pull, make sure that everything is as committed, then mark it as up to date for Snakemake.

    A clone's files have arbitrary times and no record of what made them; without the mark most jobs would run again.
    """
    plan = plan_of(args)
    pipeline = pipeline_file(plan.profile)
    if not pipeline.is_file():
        raise ConfigError(f"wanted the pipeline {pipeline}, got none")
    if not pipeline.with_name("dvc.lock").is_file():
        raise ConfigError(f"wanted {pipeline.with_name('dvc.lock')} (committed after `dvc repro`), got none")
    dvc = [sys.executable, "-m", "dvc"]
    # the data's stages stand in the quick profile's pipeline: another profile's need them as dependencies
    steps = [] if args.no_pull else [("dvc pull", [*dvc, "pull", "--with-deps", str(pipeline)])]
    steps.append(("dvc status", [*dvc, "status", "-q", str(pipeline)]))
    touch = ["tables", "--cores", "1", "--touch", "--forceall", "--config", f"profile={plan.profile}"]
    steps.append(("snakemake --touch", [sys.executable, "-m", "snakemake", *touch]))
    for name, command in steps:
        if code := subprocess.run(command, check=False).returncode:
            print(f"uhn restore: {name} failed with exit code {code}; nothing was marked", file=sys.stderr)
            return 1
    print("restored: nothing has to run again")
    return 0
