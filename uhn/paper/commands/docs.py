"""``uhn docs``: the reference of every setting, and the parts of other pages that are made from results and code."""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from uhn.files import write_atomically
from uhn.paper import params, settings
from uhn.paper.settings import Settings

SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("The file", params.Params),
    ("`experiments.<name>`", params.ExperimentEntry),
    ("`sweeps.<pattern>`", params.SweepEntry),
    ("`profiles.<name>`", params.ProfileEntry),
    ("What a profile changes: `profiles.<name>.defaults` and `.overrides.<pattern>`", params.ProfileOverride),
    ("`tasks`", settings.TaskSettings),
    ("`data`", settings.DataSettings),
    ("`generator`", settings.GeneratorSettings),
    ("`init`", settings.InitSettings),
    ("`train`", settings.TrainSettings),
    ("`compute`", settings.ComputeSettings),
)
HEAD = """# Settings

Written by `uhn docs` from the typed settings; every key of `params.yaml` is here, and any other is refused.

The settings of a run are merged, later ones over earlier ones: `defaults`, the experiment (after the one it is
`like`), its source of weights, then the profile's `defaults` and its `overrides` in the order of the file. A budget in
`steps` replaces one in `epochs`, and the reverse. A mapping may hold only some keys of a section: the others stay.
"""
PERFORMANCE = """
A whole training step (generator, model, loss, optimiser) on one core of an {processor}, against the original program's
arithmetic: {speedups} times as fast.

| training step | weights | fp32: ours | original | times as fast | bf16: ours | original | times as fast |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

On one {card}, {count} rows of Table 1 in {own}: {least[ms]:.2f} ({least[row]}) to {most[ms]:.2f} ms ({most[row]}), \
{low:.1f} to {high:.1f} times as fast
as the straightforward form in {other}, the faster of eager and, where timed, compiled. [How, with the memory it takes]\
(benchmarks/README.md).
"""
WORKFLOW = """
Data, then the jobs that search and train, then everything that is rendered, in the profile `quick`:

```mermaid
{graph}
```
"""
PICTURE = Path("docs/report.png")
FOUND = """{picture}
{headline}

| verdict | what the paper claims | difference, 95 % interval | tried on | seeds | share of its steps | shown in |
| --- | --- | ---: | --- | ---: | ---: | --- |
{claims}

Differences are points of accuracy, of RMSEs ratios. A claim is *confirmed* or *contradicted* only if its arms are equal
and the interval leaves no doubt; where it was tried on other models than the paper's, these are named
([docs/claims.md](docs/claims.md)).
"""


def add_docs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn docs``."""
    parser.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    parser.set_defaults(handler=write_docs)


ARGUMENTS = {"docs": add_docs}


def write_docs(args: argparse.Namespace) -> int:
    """Write all of them."""
    reference, pipeline, readme = (args.root / name for name in ("docs/settings.md", "docs/pipeline.md", "README.md"))
    drawn = with_part(pipeline.read_text(encoding="utf-8"), "workflow", WORKFLOW.format(graph=rule_graph()))
    text = with_part(readme.read_text(encoding="utf-8"), "results", what_was_found(args.root / "results" / "reference"))
    text = with_part(text, "performance", how_fast(args.root / "benchmarks/results"))
    write_atomically(reference, settings_reference())
    write_atomically(pipeline, drawn)
    write_atomically(readme, text)
    print(reference, pipeline, readme, sep="\n")
    return 0


def with_part(text: str, name: str, content: str) -> str:
    """Return ``text`` with the content between the markers of a part. Raises ``ValueError`` if they are not there once
    each."""
    begin, end = f"<!-- {name}: written by uhn docs -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{text[:40]!r} …: wanted each of {begin!r} and {end!r} once")
    head, rest = text.split(begin)
    return head + begin + content + end + rest.split(end)[1]


def what_was_found(kept: Path) -> str:
    """Return the headline and the paper's claims from the kept results as Markdown, as the page's first screen has
    them."""
    from uhn.paper.report.evidence import headline  # with pandas and matplotlib, which the reference does not need
    from uhn.paper.report.page_first import first
    from uhn.paper.report.render import open_shelf

    shelf = open_shelf(kept)
    columns = ("verdict", "sentence", "result", "on", "seeds", "share")
    claims = first(shelf, lambda book, group: "")["claims"]
    rows = [[row[column] or "–" for column in columns] for row in claims]
    shown = [_shown_in(kept, row) for row in claims]
    lines = [f"| **{verdict}** | {' | '.join(rest)} | {at} |" for (verdict, *rest), at in zip(rows, shown, strict=True)]
    seen = (kept.parents[1] / PICTURE).is_file()
    picture = f"\n![The first screen of the report]({PICTURE.as_posix()})\n" if seen else ""
    return FOUND.format(picture=picture, headline=headline(shelf), claims="\n".join(lines))


def _shown_in(kept: Path, claim: dict[str, Any]) -> str:
    """The first table of a claim, linked to the one that its evidence is in, or to where its arms are told instead."""
    title, name = claim["tables"][0]
    folder = Path("results") / kept.name / claim["profile"]
    if not claim["profile"]:
        return title
    if claim["as_paper"] and (kept / claim["profile"] / f"tables/{name}.md").is_file():
        return f"[{title}]({(folder / 'tables' / name).as_posix()}.md)"
    return f"{title}: [arms]({(folder / 'claims.md').as_posix()})"


def how_fast(measured: Path) -> str:
    """Return the steps that were timed on both sides, on a CPU and on a GPU, as Markdown."""
    with (measured / "steps.csv").open(encoding="utf-8", newline="") as lines:
        timed = [row for row in csv.DictReader(lines) if row["speedup"]]
    ratios = {kind: [float(r["speedup"]) for r in timed if r["precision"] == kind] for kind in ("fp32", "bf16")}
    rows: dict[str, str] = {}
    for row in timed:  # fp32, then bf16
        begun = rows.get(row["row"], f"| {row['row']} | {int(row['weights']):,} |")
        told = f" {float(row['ours_s']):.2f} s | {float(row['authors_s']):.2f} s | {float(row['speedup']):.1f} |"
        rows[row["row"]] = begun + told
    speedups = ", ".join(f"{min(found):.1f} to {max(found):.1f} ({kind})" for kind, found in ratios.items())
    leased = (measured / "lease.jsonl").read_text(encoding="utf-8").splitlines()
    gpu = on_a_gpu([json.loads(line) for line in leased])
    return PERFORMANCE.format(processor=timed[0]["processor"], speedups=speedups, rows="\n".join(rows.values()), **gpu)


def on_a_gpu(lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What the last lines of :data:`PERFORMANCE` name, from a rented card's timed steps of both forms.

    Raises:
        ValueError: if they are of several cards, or a side's of several precisions.
    """
    steps = [line for line in lines if line["what"] == "step"]
    sides: dict[str, dict[str, Any]] = {}
    for line in steps:
        sides.setdefault(line["row"], {})[line["side"]] = line
    pairs = [(found["ours"], others) for found in sides.values() if (others := _others(found)) and "ours" in found]
    cards = {line["processor"] for line in steps}
    own = {ours["precision"] for ours, _ in pairs}
    other = {each["precision"] for _, others in pairs for each in others}
    if not len(cards) == len(own) == len(other) == 1:
        raise ValueError(f"wanted steps of one card, one precision per side, got {cards}, {own} and {other}")
    ratios = [min(each["ms"] for each in others) / ours["ms"] for ours, others in pairs]
    told = [{"ms": ours["ms"], "row": ours["row"].removesuffix("/uhn")} for ours, _ in pairs]
    least, most = (pick(told, key=lambda line: line["ms"]) for pick in (min, max))
    return {
        "card": cards.pop(),
        "count": len(pairs),
        "own": own.pop(),
        "other": other.pop(),
        "least": least,
        "most": most,
        "low": min(ratios),
        "high": max(ratios),
    }


def _others(sides: dict[str, Any]) -> list[Any]:
    """The straightforward forms that were timed, each a line."""
    return [line for side, line in sides.items() if side != "ours"]


def settings_reference() -> str:
    """Return the reference as Markdown."""
    parts = [HEAD]
    for title, model in SECTIONS:
        rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {_meaning(name, field)} |")
        parts.append(f"## {title}\n\n{model.__doc__}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def rule_graph() -> str:
    """Return the graph of rules of the quick profile in mermaid's language, without what follows from its arrows."""
    command = [sys.executable, "-m", "snakemake", "tables", "--quiet", "all", "--rulegraph", "mermaid-js"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"snakemake could not draw the workflow: {done.stderr.strip()}")
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", done.stdout))
    edges = {(names[one], names[other]) for one, other in re.findall(r"(id\d+) --> (id\d+)", done.stdout)}
    return "\n".join(["flowchart LR", *(f"    {one} --> {other}" for one, other in sorted(_essential(edges)))])


def _essential(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows of a graph without circles that no longer way along others stands for."""

    def ends(start: str) -> set[str]:
        after = {other for one, other in edges if one == start}
        return after.union(*map(ends, after))

    return {(one, other) for one, other in edges if not any(other in ends(w) for o, w in edges if o == one)}


def _meaning(name: str, field: FieldInfo) -> str:
    """What a key means; one that has no description of its own means what it means for a run."""
    meaning = field.description or settings.RunSettings.model_fields[name].description or ""
    own = any(title == f"`{name}`" for title, _ in SECTIONS)
    return meaning + (f", see [{name}](#{name})" if own else "")


def _type(field: FieldInfo) -> str:
    return _annotation(field.annotation) + _limits(field.metadata)


def _annotation(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is type(None):
        return "none"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if hasattr(kind, "__metadata__"):
        return _annotation(inside[0]) + _limits(kind.__metadata__)
    if origin is Union or type(kind).__name__ == "UnionType":
        return " or ".join(_annotation(part) for part in inside)
    if origin in (tuple, list):
        return f"list of {_annotation(inside[0])}"
    if origin is dict:
        if inside[1] is Any:
            return "mapping"
        return f"mapping: name to {_annotation(inside[1])}"
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return names.get(kind, "mapping")


def _limits(metadata: Any) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    nested = [part for item in metadata for part in getattr(item, "metadata", [item])]
    found = [f"{sign} {getattr(part, key):,}" for part in nested for key, sign in signs.items() if hasattr(part, key)]
    return f" {', '.join(found)}" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value is PydanticUndefined or isinstance(value, Settings) or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
