"""``uhn facts``, ``render``, ``explain`` and ``keep``. Bad input is a ``ValueError``, which the command reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the commands; each sets ``handler``, a function of the parsed arguments that returns the exit code."""
    render = subparsers.add_parser(
        "render", help="write tables, figures, coverage.md and report.html from finished runs"
    )
    render.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="table01, …, figure3, figure4, figure5, parameters, coverage, claims, report; or all, descriptors, curves",
    )
    render.set_defaults(handler=_render)
    explain = subparsers.add_parser("explain", help="the way from a table's cell to its runs, settings, data and code")
    explain.add_argument("table", help="e.g. table01")
    explain.add_argument("row", help="e.g. mnist-mlp")
    explain.add_argument("column", help="e.g. uhn")
    explain.set_defaults(handler=_explain)
    facts = subparsers.add_parser("facts", help="measure what tables say of layers, model sets and graphs")
    facts.add_argument("topics", nargs="*", metavar="TOPIC", help="descriptors, model-sets, citation (default: all)")
    facts.add_argument("--data", type=Path, default=Path("data"), help="folder of the data (default: data)")
    facts.set_defaults(handler=_facts)
    keep = subparsers.add_parser("keep", help="copy the small files of a profile's results to where git keeps them")
    keep.add_argument("--to", type=Path, default=Path("results/reference"), help="default: results/reference")
    keep.set_defaults(handler=_keep)
    for parser in (facts, render, explain, keep):
        parser.add_argument("--profile", default="quick", help="default: quick")
        parser.add_argument("--results", type=Path, default=Path("results"), help="default: results")
        parser.add_argument(
            "--params", type=Path, default=Path("params.yaml"), help="the settings that name the planned runs"
        )
        if parser in (render, explain):
            parser.add_argument(
                "--no-plan", action="store_true", help="take what is found for everything there should be"
            )


def _book(arguments: argparse.Namespace) -> Any:
    from uhn.paper.report.render import open_book

    return open_book(arguments.results, arguments.profile, None if arguments.no_plan else arguments.params)


def _facts(arguments: argparse.Namespace) -> int:
    from uhn.paper.config import load_config
    from uhn.paper.plan import Plan
    from uhn.paper.report.measure import write_facts

    plan = Plan(load_config(arguments.params, arguments.profile))
    for path in write_facts(arguments.topics, plan, arguments.results, arguments.data):
        print(path)
    return 0


def _render(arguments: argparse.Namespace) -> int:
    from uhn.paper.report.render import render

    for path in render(arguments.names, _book(arguments), arguments.results):
        print(path)
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    from uhn.paper.report.reference import keep

    print(keep(arguments.results, arguments.profile, arguments.params, arguments.to))
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from uhn.paper.report.explain import explain

    print(explain(_book(arguments), arguments.table, arguments.row, arguments.column))
    return 0
