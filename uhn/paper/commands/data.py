"""``uhn data fetch | verify | list``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from uhn.tasks import DATASETS
from uhn.tasks.fetch.checksums import DataError
from uhn.tasks.fetch.mirrors import fetch, fetchable, present, verify
from uhn.tasks.receipts import obtain


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the choices of ``uhn data``; each sets ``handler``: parsed arguments → exit code."""
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="{fetch,verify,list}")
    for name, handler, text in (
        ("fetch", run_fetch, "fetch datasets (mirror in UHN_DATA_MIRROR first, then the official addresses)"),
        ("verify", run_verify, "check the files on this machine against their checksums"),
        ("list", run_list, "list the datasets, their licences, and which are on this machine"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--root", type=Path, default=Path("data"), help="folder of the data (default: data)")
        if name != "list":
            command.add_argument("names", nargs="*", metavar="NAME", help="datasets (default: all)")
        if name == "fetch":
            command.add_argument(
                "--allow-missing",
                action="store_true",
                help="where no mirror is set, exit 0 even if a dataset is unavailable, and say what takes its place",
            )
            command.add_argument(
                "--receipts", type=Path, metavar="FOLDER", help="write what came of it, one file per dataset"
            )
        command.set_defaults(handler=handler)


ARGUMENTS = {"data": add_data}


def _names(args: argparse.Namespace) -> list[str] | None:
    """The datasets asked for, or None (after a message) if one of them is unknown."""
    known = fetchable()
    if unknown := [name for name in args.names if name not in known]:
        print(f"uhn data: unknown dataset {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return None
    return list(args.names or known)


def run_fetch(args: argparse.Namespace) -> int:
    """Fetch; 0 if everything is there afterwards, 1 if a dataset is not, 2 for a name that does not exist."""
    names = _names(args)
    if names is None:
        return 2
    failed = False
    for name in names:
        try:
            receipt = obtain(name, args.root, stand_in=args.allow_missing, get=fetch)
        except DataError as error:
            failed = True
            said = str(error)
            print(said if said.startswith(f"dataset {name!r}") else f"{name}: {said}", file=sys.stderr)
            continue
        if receipt.line:
            print(receipt.line, file=sys.stderr)
        else:
            print(f"{name}: ok")
        if args.receipts is not None:
            receipt.write(args.receipts)
    return int(failed)


def run_verify(args: argparse.Namespace) -> int:
    """Verify; 0 if every file has its checksum, 1 if one is missing or changed, 2 for a name that does not exist."""
    names = _names(args)
    if names is None:
        return 2
    bad = False
    for name in names:
        for path, state in verify(name, args.root).items():
            bad |= state != "ok"
            print(f"{state:8}{args.root / path}")
    return int(bad)


def run_list(args: argparse.Namespace) -> int:
    """List; always 0."""
    for known in map(DATASETS.__getitem__, fetchable()):
        state = "here" if present(known.name, args.root) else "not here"
        print(f"{known.name:12} {state:9} {known.title}\n{'':23}licence: {known.licence}\n{'':23}{known.citation}")
    return 0
