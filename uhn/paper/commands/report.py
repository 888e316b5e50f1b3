"""``uhn facts``, ``render``, ``explain`` and ``keep``. Bad input is a ``ValueError``, which the command reports."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.report import terminal
from uhn.paper.report.evidence import Shelf
from uhn.paper.report.explain import explain
from uhn.paper.report.measure import write_facts
from uhn.paper.report.reference import keep
from uhn.paper.report.render import OVERVIEW, open_book, open_shelf, render, render_overview


def add_render(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn render``."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="table01, …, figure3, figure4, figure5, parameters, coverage, claims, report; or all, descriptors, "
        "curves; overview: one page with the best evidence of all profiles",
    )
    parser.set_defaults(handler=_render)
    _add_places(parser)
    parser.add_argument("--no-plan", action="store_true", help="take what is found for everything there should be")


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn explain``."""
    parser.add_argument("table", help="e.g. table01")
    parser.add_argument("row", nargs="?", default="", help="e.g. mnist-mlp; without one, the rows are named")
    parser.add_argument("column", nargs="?", default="", help="e.g. uhn; without one, the columns are named")
    parser.set_defaults(handler=_explain)
    _add_places(parser)
    parser.add_argument("--no-plan", action="store_true", help="take what is found for everything there should be")


def add_facts(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn facts``."""
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="descriptors, model-sets, citation (default: all)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data (default: data)")
    parser.set_defaults(handler=_facts)
    _add_places(parser)


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn keep``."""
    parser.add_argument("--to", type=Path, default=Path("results/reference"), help="default: results/reference")
    parser.set_defaults(handler=_keep)
    _add_places(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="default: quick")
    parser.add_argument("--results", type=Path, default=Path("results"), help="default: results")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings that name the planned runs")


ARGUMENTS = {"render": add_render, "explain": add_explain, "facts": add_facts, "keep": add_keep}


def _book(arguments: argparse.Namespace) -> Any:
    return open_book(arguments.results, arguments.profile, arguments.params, planned=not arguments.no_plan)


def _facts(arguments: argparse.Namespace) -> int:
    plan = Plan(load_config(arguments.params, arguments.profile))
    for path in write_facts(arguments.topics, plan, arguments.results, arguments.data):
        print(path)
    return 0


def _render(arguments: argparse.Namespace) -> int:
    names = [name for name in arguments.names if name != OVERVIEW]
    paths = render(names, _book(arguments), arguments.results) if names else []
    if OVERVIEW in arguments.names:
        params = arguments.params if arguments.params.is_file() else None
        paths += render_overview(arguments.results, params)
    for path in paths:
        print(path)
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    print(keep(arguments.results, arguments.profile, arguments.params, arguments.to))
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    curve = terminal.draw if sys.stdout.isatty() else terminal.tell
    cell = (arguments.table, arguments.row, arguments.column)
    print(explain(_book(arguments), *cell, curve=curve, others=lambda: _others(arguments)))
    return 0


def _others(arguments: argparse.Namespace) -> Shelf | None:
    """Results of all profiles, if there are any that can be read: this cell does not rest on them."""
    with contextlib.suppress(ValueError):
        return open_shelf(arguments.results, arguments.params if arguments.params.is_file() else None)
    return None
