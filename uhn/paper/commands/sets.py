"""``uhn modelset list | show | write``: the sampled families of the multi-model experiments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from uhn.models.sets import SETS, sample_set, set_family, summary, write_set


def add_modelset(parser: argparse.ArgumentParser) -> None:
    """Add the choices of ``uhn modelset``; each sets ``handler``: parsed arguments → exit code."""
    commands = parser.add_subparsers(dest="modelset_command", required=True, metavar="{list,show,write}")
    commands.add_parser("list", help="name every set with its seed and sizes").set_defaults(handler=run_list)
    show = commands.add_parser("show", help="seed, splits, counts and first members of a set")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", help="the whole set, as it is written to a file")
    show.add_argument("--first", type=int, default=5, metavar="N", help="members shown (default: 5)")
    show.set_defaults(handler=run_show)
    write = commands.add_parser("write", help="write sets to <results>/<profile>/model-sets/<name>.json")
    write.add_argument("names", nargs="+", metavar="NAME")
    write.add_argument("--profile", default="quick", help="default: quick")
    write.add_argument("--results", type=Path, default=Path("results"), help="default: results")
    write.set_defaults(handler=run_write)


ARGUMENTS = {"modelset": add_modelset}


def set_file(results: Path, profile: str, name: str) -> Path:
    """Where a profile keeps the set ``name``."""
    return results / profile / "model-sets" / f"{name}.json"


def run_list(args: argparse.Namespace) -> int:
    """Print a line per set."""
    for name, family in SETS.items():
        print(f"{name:16} seed {family.seed:<6} {family.size:>5,} models, {family.each} seen, {family.each} unseen")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print a set. Raises ``ValueError`` for an unknown one."""
    set_family(args.name)
    if args.first < 0:
        raise ValueError(f"--first: wanted >= 0, got {args.first}")
    made = sample_set(args.name)
    if args.json:
        print(json.dumps(made.to_json()))
        return 0
    counts = summary(made.specs)
    lines = [
        f"{made.name}: {counts['models']:,} models from seed {made.seed} in {made.trials:,} draws",
        f"weights  mean {counts['mean']:,.2f}, smallest {counts['min']:,}, largest {counts['max']:,}",
        *(f"{split:18} {stop - start:>5,}  [{start}, {stop})" for split, (start, stop) in made.splits.items()),
        f"hash     {made.hash}",
    ]
    for number, (architecture, spec) in enumerate(zip(made.architectures, made.specs, strict=True)):
        if number < args.first:
            lines.append(f"{number:>5}  {architecture}  {spec.num_params:,} weights  {spec.hash[:16]}")
    print("\n".join(lines))
    return 0


def run_write(args: argparse.Namespace) -> int:
    """Write sets, all of which have to exist."""
    for name in args.names:
        set_family(name)
    for name in args.names:
        path = set_file(args.results, args.profile, name)
        write_set(name, path)
        print(path)
    return 0
