"""``uhn docs``: the reference of every setting, from the typed settings themselves, and the picture of the workflow."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
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
    ("What a profile changes: `profiles.<name>.defaults` and `.overrides.<pattern>`", params.ProfileOverlay),
    ("`tasks`", settings.TaskSettings),
    ("`data`", settings.DataSettings),
    ("`generator`", settings.GeneratorSettings),
    ("`init`", settings.InitSettings),
    ("`train`", settings.TrainSettings),
    ("`compute`", settings.ComputeSettings),
)
HEAD = """# Settings

Written by `uhn docs` from the typed settings; every key of `params.yaml` is here, and any other is refused.

The settings of a run lie over each other: `defaults`, the experiment (after the one it is `like`), its method, then
the profile's `defaults` and its `overrides` in the order of the file. A budget in `steps` replaces one in `epochs`, and
the reverse. Where a mapping may hold only some keys of a section, the missing ones come from the layer below.
"""
BEGIN, END = "<!-- workflow: written by uhn docs -->", "<!-- end of workflow -->"
WORKFLOW = """
Data, then the jobs that search and train, then everything that is rendered, in the profile `quick`:

```mermaid
{graph}
```
"""


def add_docs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn docs``."""
    parser.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    parser.set_defaults(handler=write_docs)


ARGUMENTS = {"docs": add_docs}


def write_docs(args: argparse.Namespace) -> int:
    """Write both files."""
    reference, readme = args.root / "docs" / "settings.md", args.root / "README.md"
    text = with_workflow(readme.read_text(encoding="utf-8"), rule_graph())
    write_atomically(reference, settings_reference())
    write_atomically(readme, text)
    print(reference, readme, sep="\n")
    return 0


def with_workflow(text: str, graph: str) -> str:
    """Return ``text`` with the picture between its markers. Raises ``ValueError`` if they are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md: wanted each of {BEGIN!r} and {END!r} once")
    head, rest = text.split(BEGIN)
    return head + BEGIN + WORKFLOW.format(graph=graph) + END + rest.split(END)[1]


def settings_reference() -> str:
    """Return the reference as Markdown."""
    parts = [HEAD]
    for title, model in SECTIONS:
        summary, meanings = _docstring(model)
        rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            meaning = meanings.get(name) or _inherited(model, name)
            rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {meaning} |")
        parts.append(f"## {title}\n\n{summary}\n\n" + "\n".join(rows) + "\n")
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


def _docstring(model: type[Settings]) -> tuple[str, dict[str, str]]:
    text = re.sub(r"\n +", "\n", model.__doc__ or "")
    summary, _, attributes = text.partition("\nAttributes:\n")
    meanings = {}
    for entry in re.split(r"\n(?=\w+: )", "\n" + attributes.strip()):
        name, _, meaning = entry.strip().partition(": ")
        meanings[name] = " ".join(meaning.split()).removesuffix(".").replace("``", "`").replace("|", "\\|")
    return " ".join(summary.split()), meanings


def _inherited(model: type[Settings], name: str) -> str:
    """The meaning of a key that stands in a section of its own, or that a class below explains."""
    own = {"data", "generator", "baseline", "init", "train", "compute", "tasks"}
    if name in own:
        return f"see [{name}](#{name})"
    for other in (*model.__mro__[1:], settings.RunSettings):
        if isinstance(other, type) and issubclass(other, Settings):
            found = _docstring(other)[1].get(name)
            if found:
                return found
    sections = {"seeds": "lists of seeds by name", "defaults": "what every run starts from", "experiments": "see below"}
    return sections.get(name, "see below" if name == "profiles" else "")


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
