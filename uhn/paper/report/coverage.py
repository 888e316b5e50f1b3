"""The coverage list: every table and figure of the paper, cell by cell, with what stands behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.reductions import share
from uhn.paper.report.tables import build
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import FIGURES, FigureSpec, tables, worth
from uhn.paper.tables.columns import EMPTY, NOT_SWEPT, Fact, MetricColumn, TableSpec

MEANING = {
    "paper budget": "the paper's generator, steps, rows, batch and seeds, on the real data",
    "reduced": "less than that; the table's caption says what",
    "changed": "all of that, but other settings than the paper's; the table's caption says which",
    "not compared": "nothing says what the paper's settings are",
    "subset": "on a part of the real data",
    "stand-in": "on generated data of the same shape",
    "not above the majority class": "no better than always answering the most frequent class",
    "path only": "a few steps that show that the path works, no number",
    "majority unknown": "better than 1/classes; nothing says how frequent the most frequent class is",
    "not trained": "an RMSE no better than that of the targets' mean",
    "older code": "made by code that has changed since, and not accepted as it stands",
    "other settings": "seeds trained under other settings than the plan's; the number does not rest on them",
    "diverged": "at least one seed diverged",
    "incomplete": "some of the planned seeds have no result",
    "our grid": "the paper's grid is lost; this one lies around its selected value",
    "rendered": "made from the code, needs no run",
    "measured": "needs no run",
    "not measured": "nothing of this profile says",
    "not measured: stand-in": "only a stand-in is there, generated in the shape of the real data",
    "not swept in this profile": "the captions of the tables of results say whose hyperparameters its runs have",
    "not run": "planned, no result",
    "not in this profile": "another profile runs it",
    "not built": "no profile can produce it yet",
    "out of scope": "a diagram",
}


@dataclass(frozen=True)
class Line:
    """One cell of the list."""

    row: str
    column: str
    status: str
    seeds: str = EMPTY
    share: str = EMPTY
    commit: str = EMPTY


def status(evidence: Evidence, book: Book) -> str:
    """The status words of one cell, joined by commas."""
    if not evidence.found:
        return "not run" if evidence.missing else book.absence(evidence.key)
    statistic = evidence.statistic
    counts = {"other settings": statistic.other, "diverged": statistic.diverged, "incomplete": statistic.missing}
    words = [*evidence.status, *(word for word, count in counts.items() if count)]
    return ", ".join(words) or "paper budget"


def commit(evidence: Evidence) -> str:
    """Short commits of the runs, ``+`` where the tree had changes that were not committed."""
    codes = (run["code"] for run in evidence.found)
    names = {f"{(code.get('commit') or 'unknown')[:8]}{'+' * bool(code.get('dirty'))}" for code in codes}
    return ", ".join(sorted(names)) or EMPTY


def line(row: str, column: str, evidence: Evidence, book: Book) -> Line:
    """The entry of one cell."""
    statistic = evidence.statistic
    wanted = evidence.paper.seeds if evidence.paper and evidence.runs else 0
    seeds = (
        f"{statistic.n} of {statistic.total}" + (f" (paper {wanted})" if wanted else "") if statistic.total else EMPTY
    )
    shares = [share(run, evidence.paper) for run in evidence.runs if run.finished and evidence.paper]
    told = of_budget(min(shares)) if shares else EMPTY
    return Line(row, column, status(evidence, book), seeds, told, commit(evidence))


def table_lines(spec: TableSpec, book: Book, own: Collection[str]) -> list[Line]:
    """The entries of one table; one that is made from the code alone, or of facts and not among ``own``, has one."""
    if spec.needs == "code":
        return [Line("all", "all", "rendered")]
    if spec.needs == "facts" and spec.name not in own:
        return [Line("all", "all", "not in this profile")]
    table = build(spec, book)
    lines = []
    for row, cells in zip(spec.rows, table.cells, strict=True):
        for column, cell in zip(spec.columns, cells, strict=True):
            if isinstance(column, MetricColumn) and cell.evidence is not None:
                lines.append(line(row.key, column.key, cell.evidence, book))
            elif isinstance(column, Fact):
                words = [word for word in cell.marks if word in MEANING]
                absent = cell.text.startswith(column.absent)
                if absent or NOT_SWEPT not in words:
                    words.insert(0, cell.text if absent else "measured")
                lines.append(Line(row.key, column.key, ", ".join(words)))
    return lines


def figure_lines(figure: FigureSpec, book: Book) -> list[Line]:
    """The entries of one figure."""
    if figure.status:
        return [Line("all", "all", figure.status)]
    lines = []
    for key in figure.cells:
        column = key.source if key.pick == "value" else key.pick
        lines.append(line(key.experiment, column, book.evidence(key), book))
    return lines


def parts(book: Book) -> list[tuple[str, list[Line]]]:
    """Every table and figure of the paper: its title and the entries of its cells."""
    specs, own = tables(book.methods).values(), worth(book)
    found = [(f"Table {spec.number}. {spec.title}", table_lines(spec, book, own)) for spec in specs]
    found += [(f"Figure {figure.number}. {figure.title}", figure_lines(figure, book)) for figure in FIGURES]
    return found


def summary(book: Book) -> list[tuple[str, str]]:
    """Each title with how many of its cells have which status."""
    return [(title, _counted(lines)) for title, lines in parts(book)]


def to_markdown(book: Book) -> str:
    """The whole list as Markdown: a summary, then each table and figure."""
    everything = parts(book)
    text = [f"# Coverage: profile {book.profile}", ""]
    text += ["What stands behind each cell of the paper's tables and figures.", ""]
    if found := sorted({str(run.settings.get("precision", "fp32")) for run in book.runs.values()}):
        text += [f"Arithmetic of the runs: {', '.join(found)}. The paper's program trained in fp16 with AMP.", ""]
    if names := ", ".join(map(paper.label, book.stand_ins())):
        text += [f"**Stand-in data: {names}.** What rests on them says nothing of the real data.", ""]
    text += ["| | Cells |", "| --- | --- |"]
    text += [*(f"| {title} | {_counted(lines)} |" for title, lines in everything), ""]
    used = {word for _, lines in everything for entry in lines for word in entry.status.split(", ")}
    text += [f"- *{word}*: {meaning}" for word, meaning in MEANING.items() if word in used]
    text += ["- *Budget*: training steps as a share of the paper's; the smallest over the seeds.", ""]
    for title, lines in everything:
        text += [f"## {title}", ""]
        if len(lines) == 1 and lines[0].row == "all":
            text += [f"{lines[0].status.capitalize()}.", ""]
            continue
        text += ["| Row | Column | Status | Seeds | Budget | Commit |", "| --- | --- | --- | --- | ---: | --- |"]
        text += [f"| {e.row} | {e.column} | {e.status} | {e.seeds} | {e.share} | {e.commit} |" for e in lines]
        text.append("")
    return "\n".join(text).rstrip("\n") + "\n"


def _counted(lines: Iterable[Line]) -> str:
    counts = Counter(entry.status for entry in lines)
    return "; ".join(f"{count} {word}" for word, count in sorted(counts.items()))


def of_budget(share: float) -> str:
    """A share of the paper's budget in percent."""
    return "100 %" if share >= 1 else f"{100 * share:.2g} %"
