"""``uhn archive`` and ``uhn verify``: results that others can have, and check."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev

from uhn.files import write_atomically
from uhn.paper.commands.run import add_profile
from uhn.paper.report.crate import Crate, read_crate, rendered_again, write_crate
from uhn.paper.runs.again import SCORES, differences
from uhn.paper.runs.execute import execute
from uhn.paper.runs.results import Run
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, read_record

CHEAPEST = "cheapest"


def add_archive(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn archive``."""
    add_profile(parser)
    parser.add_argument("--out", type=Path, help="the zip (default: uhn-PROFILE.zip)")
    parser.add_argument("--weights", action="store_true", help="put the trained generators in, too")
    parser.set_defaults(handler=_archive)


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn verify``."""
    parser.add_argument("archive", type=Path, help="a zip that `uhn archive` wrote")
    parser.add_argument(
        "--retrain",
        nargs="?",
        const=CHEAPEST,
        metavar="RUN",
        help="train one of its runs again, e.g. kan-kv/uhn/seed-21962; without a name the one that took the least time",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data (default: data)")
    parser.set_defaults(handler=_verify)


ARGUMENTS = {"archive": add_archive, "verify": add_verify}


def _archive(arguments: argparse.Namespace) -> int:
    target = arguments.out or Path(f"uhn-{arguments.profile}.zip")
    runs = write_crate(arguments.results, arguments.profile, arguments.params, target, weights=arguments.weights)
    print(f"{target}: {runs} runs, {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Check the files, render what they hold again and train a run again; 1 if something is not the same."""
    with tempfile.TemporaryDirectory(prefix="uhn-verify-") as place:
        crate = read_crate(arguments.archive, Path(place) / "crate")
        said = f"{len(crate.files)} files are as listed, {len(crate.runs)} runs of the profile {crate.profile}"
        print(f"{arguments.archive}: {said}, archived by uhn {crate.software}", flush=True)
        made, other = rendered_again(crate, Path(place) / "rendered")
        print(
            f"rendered again: {made - len(other)} of {made} tables, figures and lists have the same bytes", flush=True
        )
        for name in other:
            print(f"  {name} differs")
        same = not other
        if arguments.retrain is not None:
            same &= _trained_again(crate, arguments.retrain, arguments.data, Path(place))
    return 0 if same else 1


def _trained_again(crate: Crate, name: str, data: Path, place: Path) -> bool:
    """Train a run from the settings of its record; say whether the same bits came out, or a value like its seeds'."""
    runs = {each: run for each, run in crate.runs.items() if run.finished}
    if name == CHEAPEST:
        name = min(runs, key=lambda each: float(runs[each]["wall_time_s"]))
    if name not in runs:
        raise ValueError(
            f"--retrain: wanted a finished run of the archive, got {name!r}; e.g. {next(iter(runs), None)}"
        )
    run = runs[name]
    print(f"training {name} again, {float(run['wall_time_s']):.0f} s on {run['hardware']['processor']}", flush=True)
    execute(RunSettings.recorded(run.settings), results=place / "again", work=place / "work", data_root=data)
    for file, content in (run.archived or {}).items():
        write_atomically(place / "first" / file, content)
    again = place / "again/runs" / name
    scores = [score for score in SCORES if score != "identity"]  # which names the code, too
    if not (found := differences(place / "first", again, ["history.csv"], scores)):
        print(f"{name}: the same numbers, to the last bit")
        return True
    print(f"{name}: {'; '.join(found)}")
    return _like_its_seeds(run, read_record(again / RECORD).get("value"), runs.values())


def _like_its_seeds(run: Run, value: float | None, runs: Iterable[Run]) -> bool:
    """Whether a value lies within three standard deviations of those that the archive has for this run's seeds."""
    seeds = [float(each["value"]) for each in runs if each.id.group == run.id.group and each["value"] is not None]
    if value is None or len(seeds) < 3:
        print(f"got {value}; with {len(seeds)} seeds in the archive nobody can say whether that is like them")
        return False
    mean, spread = fmean(seeds), stdev(seeds)
    near = abs(value - mean) <= 3 * spread
    print(f"got {value:.6g}; its {len(seeds)} seeds have {mean:.6g} +- {spread:.2g}: {'like them' if near else 'not'}")
    return near
