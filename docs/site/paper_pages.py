"""A page per table of the paper: what the paper claims, what was measured, and the commands that say more.

All of it comes from the declarations of the tables and from the kept results; nothing is typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from uhn.paper.report.evidence import PROFILES
from uhn.paper.report.page_first import first
from uhn.paper.report.render import open_shelf
from uhn.paper.tables.catalogue import FIGURES, tables
from uhn.paper.tables.columns import TableSpec

KEPT = "results/reference/"
TABLE = re.compile(KEPT + r"([\w-]+)/tables/(table\d\d)\.md")
LISTS = re.compile(KEPT + r"([\w-]+)/(claims|coverage)\.md")


def navigation() -> list[dict[str, Any]]:
    """Entries of the site's navigation."""
    short = {name: s.title if len(s.title) < 40 else s.title.partition(":")[0] for name, s in tables().items()}
    kept = [{f"{spec.number}. {short[name]}": f"paper/{name}.md"} for name, spec in tables().items()]
    return [{"Tables": kept}, {"Figures": "paper/figures.md"}]


def place(source: str) -> str | None:
    """Where on the site a kept table or list stands; none for other files."""
    if found := TABLE.fullmatch(source):
        return f"paper/{found[2]}.md#{found[1]}"
    if found := LISTS.fullmatch(source):
        return f"paper/{found[1]}-{found[2]}.md"
    return None


def pages(kept: Path) -> Mapping[str, str]:
    """Every page by its place on the site."""
    said = claims(kept)
    found = {f"paper/{name}.md": table_page(spec, kept, said) for name, spec in tables().items()}
    found["paper/figures.md"] = figures_page(kept)
    found["paper/index.md"] = index(kept, said)
    for profile in profiles(kept):
        for name in ("claims", "coverage"):
            text = (kept / profile / f"{name}.md").read_text(encoding="utf-8")
            text = re.sub(r"\]\((?!http)([^)]+)\)", rf"](../{KEPT}{profile}/\1)", text)
            found[f"paper/{profile}-{name}.md"] = f"---\nsearch: {{exclude: true}}\n---\n{text}"
    return found


@cache
def profiles(kept: Path) -> tuple[str, ...]:
    """Profiles whose results are kept, the preferred evidence first."""
    names = {path.parent.name for path in kept.glob("*/claims.md")}
    return (*PROFILES, *sorted(names - {*PROFILES}))


def claims(kept: Path) -> dict[str, list[dict[str, Any]]]:
    """The paper's claims with what came of them, by the table or figure that shows them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for claim in first(open_shelf(kept), lambda book, group: "")["claims"]:
        for name, _ in claim["tables"]:
            found.setdefault(name, []).append(claim)
    return found


def table_page(spec: TableSpec, kept: Path, said: Mapping[str, list[dict[str, Any]]]) -> str:
    """Claims, every kept rendering of the table, and commands."""
    parts = [f"# Table {spec.number}. {spec.title}"]
    if mine := said.get(f"Table {spec.number}"):
        lines = [f"| {c['sentence']} | **{c['verdict']}** | {c['result']} | {c['on'] or '–'} |" for c in mine]
        heads = "| what the paper claims | verdict | difference, 95 % interval | tried on |\n| --- | --- | ---: | --- |"
        parts += ["## What the paper claims", "\n".join([heads, *lines])]
    shown = [name for name in profiles(kept) if (kept / name / f"tables/{spec.name}.md").is_file()]
    if spec.needs == "code":
        shown = shown[:1]
    parts.append("## What the code says" if spec.needs == "code" else "## What was measured")
    if not shown:
        parts.append("No kept results show this table yet.")
    for profile in shown:
        folder = f"../{KEPT}{profile}"
        body = (kept / profile / f"tables/{spec.name}.md").read_text(encoding="utf-8").partition("\n")[2]
        body = re.sub(r"^## ", "#### ", body, flags=re.M)
        files = ", ".join(f"[{kind}]({folder}/tables/{spec.name}.{kind})" for kind in ("csv", "tex"))
        parts += [
            f"### {profile}",
            body.strip(),
            f"The same as {files}; [the page with all runs]({folder}/report.html).",
        ]
    parts += ["## Commands", commands(spec)]
    return "\n\n".join(parts) + "\n"


def commands(spec: TableSpec) -> str:
    """What makes the table, what it rests on, and what one cell rests on."""
    made = [f"snakemake --cores 1 --config profile=paper -- results/paper/tables/{spec.name}.md"]
    if spec.groups:
        row = next(row for row in spec.rows if row.cells)
        made = [
            f"uhn run --profile paper --missing --table {spec.name}   # what is missing, cheapest first",
            *made,
            f"uhn explain {spec.name} {row.key} {next(iter(row.cells))}   # a cell: runs, settings, data, curve",
        ]
    return "```bash\n" + "\n".join(made) + "\n```"


def figures_page(kept: Path) -> str:
    """Every figure as it is kept."""
    parts = ["# Figures"]
    for figure in FIGURES:
        parts.append(f"## Figure {figure.number}. {figure.title}")
        shown = [name for name in profiles(kept) if (kept / name / f"figures/{figure.name}.svg").is_file()]
        parts += [f"Profile {name}:\n\n![{figure.title}](../{KEPT}{name}/figures/{figure.name}.svg)" for name in shown]
        if not shown:
            parts.append("A diagram, not drawn here." if figure.status else "No kept results show this figure yet.")
    return "\n\n".join(parts) + "\n"


def index(kept: Path, said: Mapping[str, list[dict[str, Any]]]) -> str:
    """Every table with its claims and the profiles that show it."""
    rows = ["| table | what it shows | the paper's claims | kept results |", "| --- | --- | --- | --- |"]
    for name, spec in tables().items():
        verdicts = "; ".join(f"**{c['verdict']}**: {c['sentence']}" for c in said.get(f"Table {spec.number}", ()))
        shown = [p for p in profiles(kept) if (kept / p / f"tables/{name}.md").is_file()]
        where = "the code itself" if spec.needs == "code" else ", ".join(f"[{p}]({name}.md#{p})" for p in shown)
        rows.append(f"| [Table {spec.number}]({name}.md) | {spec.title} | {verdicts or '–'} | {where or '–'} |")
    lists = [f"| {p} | [claims]({p}-claims.md) | [coverage]({p}-coverage.md) | [page](../{KEPT}{p}/report.html) |"
             for p in profiles(kept)]  # fmt: skip
    return "\n".join(
        [
            "# The paper, table by table\n",
            "Each page has the paper's claims with their verdicts, the table from every profile whose results are kept "
            "in git, and the commands behind it. How the claims were asked: [claims](../claims.md). All of it on one "
            f"page that needs no network: [report](../{KEPT}report.html).\n",
            *rows,
            "\n## Per profile\n",
            "| profile | claims | every cell | runs and curves |\n| --- | --- | --- | --- |",
            *lists,
            "",
        ]
    )
