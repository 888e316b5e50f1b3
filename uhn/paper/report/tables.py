"""A declared table and a book make a :class:`Table`; a table makes Markdown, CSV, LaTeX and its provenance."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from uhn.paper.report.book import Book
from uhn.paper.runs.results import Run
from uhn.paper.tables.columns import LAST, Cell, MetricColumn, TableSpec

LEGEND = {
    "±": "mean ± sample standard deviation (n - 1) over seeds.",
    "n=1": "one seed: its value, no deviation.",
    "reduced": "a smaller budget than the paper's; the caption says what was reduced and what else is otherwise.",
    "changed": "the paper's budget under other settings; the caption says which.",
    "not compared": "nothing says what the paper's settings are.",
    "subset": "trained and tested on a part of the real data.",
    "stand-in": "the real data were not at hand; generated data of the same shape took their place.",
    "not above the majority class": "no better than always answering one class: the 95 % interval (Wilson, over the "
    "rows of one evaluation) does not lie above the larger of 1/classes and the most frequent class's share of the "
    "rows that are scored.",
    "majority unknown": "its interval lies above 1/classes; the most frequent class's share is not known.",
    "not trained": "an RMSE not below the targets' standard deviation, the RMSE of their mean.",
    "older code": "made by code that has changed since, and not accepted as it stands.",
    "other settings": "trained under settings that are not this profile's present ones; such seeds enter neither mean "
    "nor deviation.",
    "diverged": "seeds whose loss became infinite or undefined; they enter neither mean nor deviation.",
    "missing": "seeds that are planned and have no result.",
    "not run": "planned, no result.",
    "not in this profile": "another profile runs it.",
    "not built": "no profile can produce this yet.",
    "not measured": "no result of this profile says.",
    "not swept": "this profile does not sweep the setting; the captions of the tables of results say whose "
    "hyperparameters its runs have.",
    "our grid": "the paper's grid is lost; this one lies around its selected value.",
    "lost": "the paper prints a value that its surviving text does not hold.",
    "inferred": "the paper's value, taken from another place that most likely reports the same runs.",
    "read off": "the paper's value, measured in one of its figures.",
}
"""Every mark and what it means, in the order of printing."""

WHOSE = {
    "paper": "the paper's",
    "selected": "as this profile's own sweeps selected them",
    "assumed": "assumed, as this profile's own sweeps have selected none yet",
    "profile": "the profile's own",
}
"""Whose hyperparameters a run has, in words."""

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--"}
_TEX |= {char: f"\\{char}" for char in "&%$#_{}"} | {"×": r"$\times$", "→": r"$\rightarrow$", "≤": r"$\leq$"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "•": r"$\bullet$"}


@dataclass(frozen=True)
class Table:
    """Cells of a declared table, row by row."""

    spec: TableSpec
    profile: str
    cells: tuple[tuple[Cell, ...], ...]

    @cached_property
    def hyperparameters(self) -> str:
        """One sentence that says whose hyperparameters the runs have; empty where no run says."""
        places: dict[str, dict[str, None]] = {}
        for row, cells in zip(self.spec.rows, self.cells, strict=True):
            for column, cell in zip(self.spec.columns, cells, strict=True):
                if (evidence := cell.evidence) is None:
                    continue
                for run in evidence.runs:
                    if whose := evidence.whose(run):
                        places.setdefault(str(whose), {})[f"{row.key} {column.key}"] = None
        if not places:
            return ""
        words = WHOSE | {whose: f"{whose} (a word of other code)" for whose in places if whose not in WHOSE}
        if len(places) == 1:
            return f"Hyperparameters: {words[next(iter(places))]}."
        told = (f"{said}: {', '.join(places[whose])}" for whose, said in words.items() if whose in places)
        return f"Hyperparameters: {'; '.join(told)}."

    @cached_property
    def precision(self) -> str:
        """One sentence about the arithmetic of the runs beside the paper's; empty without runs."""
        found: dict[str, dict[str, None]] = {}
        for row, cells in zip(self.spec.rows, self.cells, strict=True):
            for column, cell in zip(self.spec.columns, cells, strict=True):
                for run in cell.evidence.runs if cell.evidence is not None else ():
                    precision = str(run.settings.get("precision", "fp32"))
                    found.setdefault(precision, {})[f"{row.key} {column.key}"] = None
        if not found:
            return ""
        common, *others = sorted(found, key=lambda precision: -len(found[precision]))
        told = [common, *(f"{precision} in {', '.join(found[precision])}" for precision in others)]
        return f"Arithmetic: {', '.join(told)}; the paper's program trained in fp16 with AMP."

    @property
    def about(self) -> str:
        """What is to be said of all runs of the table: whose hyperparameters they have, in which arithmetic."""
        return " ".join(filter(None, (self.hyperparameters, self.precision)))

    @cached_property
    def differences(self) -> tuple[str, ...]:
        """Where the runs are not as the paper's: a heading, and a sentence per set of cells that share it."""
        where: dict[tuple[str, str], list[str]] = {}
        measured: dict[str, list[str]] = {}
        for row, cells in zip(self.spec.rows, self.cells, strict=True):
            for column, cell in zip(self.spec.columns, cells, strict=True):
                if cell.evidence is not None and cell.evidence.runs:
                    measured.setdefault(column.head, []).append(row.key)
                    for difference in cell.evidence.differences:
                        where.setdefault((column.head, difference.phrase), []).append(row.key)
        grouped: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for (head, phrase), rows in where.items():
            grouped.setdefault((head, tuple(rows)), []).append(phrase)
        sentences = []
        for (head, rows_), phrases in grouped.items():
            place = "all rows" if list(rows_) == measured[head] and len(rows_) > 1 else ", ".join(rows_)
            sentences.append(f"{head}, {place}: {'; '.join(phrases)}.")
        return ("Reduced or otherwise than in the paper:", *sentences) if sentences else ()

    @cached_property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """The marks that occur in this table with their meaning."""
        texts = " | ".join(f"{cell.text} {'; '.join(cell.marks)}" for cells in self.cells for cell in cells)
        return tuple((word, meaning) for word, meaning in LEGEND.items() if word in texts)

    def cell(self, row: str, column: str) -> Cell:
        """The cell at (row key, column key). Raises ``ValueError`` naming the keys there are."""
        rows = [r.key for r in self.spec.rows]
        columns = [c.key for c in self.spec.columns]
        for kind, key, keys in (("row", row, rows), ("column", column, columns)):
            if key not in keys:
                raise ValueError(f"{self.spec.name} has no {kind} {key!r}; {kind}s: {', '.join(keys)}")
        return self.cells[rows.index(row)][columns.index(column)]


def build(spec: TableSpec, book: Book) -> Table:
    """Compute every cell of ``spec`` from the runs of ``book``."""
    return Table(spec, book.profile, tuple(tuple(c.cell(row, book) for c in spec.columns) for row in spec.rows))


def shown(cell: Cell) -> str:
    """The cell's text with its marks."""
    return f"{cell.text} ({', '.join(cell.marks)})" if cell.marks else cell.text


def to_markdown(table: Table) -> str:
    """GitHub Markdown: heading, caption, table, legend, notes."""

    def line(texts: list[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    columns = table.spec.columns
    lines = [
        f"# Table {table.spec.number}. {table.spec.title}",
        "",
        f"Profile {table.profile}. {table.about}".rstrip(),
    ]
    if table.differences:
        lines += ["", table.differences[0], "", *(f"- {sentence}" for sentence in table.differences[1:])]
    lines += ["", line([c.head for c in columns]), line(["---:" if c.numeric else "---" for c in columns])]
    lines += [line([shown(cell) for cell in cells]) for cells in table.cells]
    lines += ["", *(f"- *{word}*: {meaning}" for word, meaning in table.legend)]
    lines += [f"- {note}" for note in table.spec.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def to_csv(table: Table) -> str:
    """One line per row, keyed by ``row``; a measured column brings _mean, _std, _n, _diverged, _missing and _marks.

    Accuracies are percent, unrounded in ``_mean`` and ``_std``.
    """
    buffer = io.StringIO()
    lines = [
        {"row": row.key} | {key: value for cell in cells for key, value in cell.csv.items()}
        for row, cells in zip(table.spec.rows, table.cells, strict=True)
    ]
    writer = csv.DictWriter(buffer, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def tex(text: str) -> str:
    """``text`` with LaTeX's special characters escaped."""
    return "".join(_TEX.get(char, char) for char in text)


def to_tex(table: Table) -> str:
    """A ``table`` environment; needs the packages booktabs and graphicx.

    The caption is short: LaTeX sets it on one line first, which may not be longer than 5.7 metres. Everything else that
    must be said stands in paragraphs after the float, which may break across pages, as a float may not.
    """

    def line(texts: list[str]) -> str:
        return "    " + " & ".join(texts) + r" \\"

    def marked(cell: Cell) -> str:
        return tex(cell.text) + (rf" {{\scriptsize ({tex(', '.join(cell.marks))})}}" if cell.marks else "")

    columns = table.spec.columns
    notes = [table.about] if table.about else []
    notes += [*table.differences, *(f"{word}: {meaning}" for word, meaning in table.legend), *table.spec.notes]
    block = [rf"  {tex(note)}\par" for note in notes]
    if block:
        start = [r"\begingroup\footnotesize\raggedright\setlength{\parindent}{0pt}"]
        start.append(rf"  Notes to Table~\ref{{tab:{table.spec.name}}}.\par")
        block = [*start, *block, r"\endgroup"]
    whose = f"the paper's Table {table.spec.number}" if table.spec.number <= LAST else f"Table {table.spec.number}"
    title = f"{table.spec.title} ({whose}, profile {table.profile})"
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{tex(title)}}}",
            rf"  \label{{tab:{table.spec.name}}}",
            r"  \resizebox{\linewidth}{!}{%",
            rf"  \begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in columns)}}}",
            r"    \toprule",
            line([tex(c.head) for c in columns]),
            r"    \midrule",
            *(line([marked(cell) for cell in cells]) for cells in table.cells),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table}",
            *block,
            "",
        ]
    )


def origin(run: Run) -> dict[str, Any]:
    """Where one run's number comes from: identity, settings, data, code, machine. No date, no duration, no path."""
    machine = {k: v for k, v in run["hardware"].items() if k in ("machine", "processor", "cores", "threads", "device")}
    return {
        "name": run.name,
        "status": run["status"],
        "value": run["value"],
        "identity": run["identity"],
        "settings_hash": run["settings_hash"],
        "data": [{k: d.get(k) for k in ("name", "kind", "fingerprint", "detail", "rows")} for d in run["data"]],
        "code": dict(run["code"]),
        "accepted": run.accepted,
        "taken_from": run.get("taken_from"),
        "hardware": machine,
        "software": run.get("software", {}),
    }


def to_provenance(table: Table) -> str:
    """JSON: for each measured cell the runs it rests on, where they are not as the paper's, and its marks."""
    cells = []
    for row, line in zip(table.spec.rows, table.cells, strict=True):
        for column, cell in zip(table.spec.columns, line, strict=True):
            if not isinstance(column, MetricColumn) or cell.evidence is None:
                continue
            evidence = cell.evidence
            if not evidence.statistic.total:
                continue
            entry = {"row": row.key, "column": column.key, "text": cell.text, "marks": list(cell.marks)}
            entry |= {"runs": [run.name for run in evidence.runs], "missing": list(evidence.missing)}
            entry |= {"other_settings": [run.name for run in evidence.other]}
            cells.append(entry | {"differences": [difference.phrase for difference in evidence.differences]})
    used = {run.name: run for line in table.cells for cell in line if cell.evidence for run in cell.evidence.found}
    record = {"table": table.spec.name, "profile": table.profile, "cells": cells}
    record["runs"] = [origin(used[name]) for name in sorted(used)]
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


FORMATS = {"md": to_markdown, "csv": to_csv, "tex": to_tex, "provenance.json": to_provenance}
"""Each file that stands for a table, by its ending."""
