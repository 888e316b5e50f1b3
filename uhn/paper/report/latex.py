"""A table for a paper: booktabs, siunitx columns, spanners, notes by threeparttable.

Wide tables are ``table*``. A letter beside a number leads to a note below the table; what else must be said stands in
paragraphs after the float, which may break across pages, as a float may not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from string import ascii_lowercase
from typing import Final

from uhn.paper.report.matrix import TITLE
from uhn.paper.report.tables import LEGEND, Table
from uhn.paper.tables.columns import LAST, Cell, Column, MetricColumn

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--"}
_TEX |= {char: f"\\{char}" for char in "&%$#_{}"} | {"×": r"$\times$", "→": r"$\rightarrow$", "≤": r"$\leq$"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "•": r"$\bullet$", "≠": r"$\neq$"}

NUMBER: Final = re.compile(r"([\d,]+)(\.\d*)?(e-?\d+)?")
ONE, WIDE = 195, 335
"""Points of width in one of two columns, and across the page, that every common class has."""

SIZES: Final = {"small": 4.7, "footnotesize": 4.3, "scriptsize": 4.1, "tiny": 3.5}
"""Sizes of type with about the width of a letter, in points: the largest is taken in which the table fits."""

GAP = 5
"""Points between columns."""

TURNED = 6
"""Columns from which a table of one row is turned on its side."""

LEAST, LONG, WORDY, SAID = 18, 26, 70, 16
"""Letters of a broken line at least, from which a text is broken, from which it is said after the table, and from which
words in a column of numbers become a note."""


def tex(text: str) -> str:
    """``text`` with LaTeX's special characters escaped."""
    return "".join(_TEX.get(char, char) for char in text)


@dataclass
class Notes:
    """The notes below a table, each with its letter, in the order in which they are needed."""

    letters: dict[str, str] = field(default_factory=dict)

    def marks(self, words: Sequence[str]) -> str:
        """The letters that stand beside a number for these words."""
        for word in words:
            number = len(self.letters)
            self.letters.setdefault(word, ascii_lowercase[number % 26] * (1 + number // 26))
        return rf"\tnote{{{','.join(self.letters[word] for word in words)}}}" if words else ""

    def texts(self) -> list[str]:
        """Each word with its meaning."""
        found = []
        for word, letter in self.letters.items():
            meaning = LEGEND.get(word) or next((LEGEND[each] for each in LEGEND if each in word), "")
            found.append(rf"\item[{letter}] {tex(word)}" + (f": {tex(meaning)}" if meaning else ""))
        return found


def to_tex(table: Table) -> str:
    """The table; needs the packages booktabs, graphicx, siunitx and threeparttable.

    The caption is short: LaTeX sets it on one line first, which may not be longer than 5.7 metres.
    """
    notes = Notes()
    heads, columns = [], []
    shown = [place for place in table.columns if not _wordy(table, place)]
    if len(table.cells) == 1 and len(shown) > TURNED:
        heads = [("", "Column"), ("", "Entry")]
        columns = [[tex(table.spec.columns[place].head) for place in shown]]
        columns.append(
            [f"{{{tex(each.text)}}}{notes.marks(each.marks)}" for each in map(table.cells[0].__getitem__, shown)]
        )
    else:
        for place in shown:
            column = table.spec.columns[place]
            for title, texts in _entries(column, [cells[place] for cells in table.cells], notes):
                heads.append((tex(column.span), tex(title)))
                columns.append(texts)
    titles, form, environment, size = _layout(heads, columns)
    spec = table.spec
    whose = f"the paper's Table {spec.number}" if spec.number <= LAST else f"Table {spec.number}"
    items = [*notes.texts(), *(rf"\item {tex(each)}" for each in (*table.constant, *spec.notes))]
    return "\n".join(
        [
            rf"\begin{{{environment}}}",
            r"\centering",
            r"\begin{threeparttable}",
            rf"\caption{{{tex(f'{spec.title} ({whose}, profile {table.profile})')}}}",
            rf"\label{{tab:{spec.name}}}",
            rf"\{size}\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}",
            _tabular([span for span, _ in heads], titles, columns, form),
            *([r"\begin{tablenotes}\footnotesize", *items, r"\end{tablenotes}"] if items else []),
            r"\end{threeparttable}",
            rf"\end{{{environment}}}",
            *_after(table),
            "",
        ]
    )


def _wordy(table: Table, place: int) -> bool:
    """Whether a column's texts are too long to stand in a table."""
    return not table.spec.columns[place].numeric and any(len(cells[place].text) > WORDY for cells in table.cells)


def _entries(column: Column, cells: Sequence[Cell], notes: Notes) -> list[tuple[str, list[str]]]:
    """What a column becomes: its title with the entries; a metric with deviations becomes two."""
    pairs = [cell.text.partition(" ± ") for cell in cells]
    if not column.numeric:
        return [(column.title, [tex(cell.text) + notes.marks(cell.marks) for cell in cells])]
    values = [_number(first, cell.marks, notes) for (first, _, _), cell in zip(pairs, cells, strict=True)]
    found = [(column.title, values)]
    if isinstance(column, MetricColumn) and any(std for _, _, std in pairs):
        found.append(("s.d.", [_plain(std) if NUMBER.fullmatch(std) else "" for _, _, std in pairs]))
    return found


def _number(text: str, marks: Sequence[str], notes: Notes) -> str:
    """A number as siunitx reads it; a dash with a note for a word of the legend; any other text in braces."""
    first, _, word = text.partition(" (")
    if NUMBER.fullmatch(first):
        found = notes.marks([*([word.removesuffix(")")] if word else []), *marks])
        return _plain(first) + (f"{{{found}}}" if found else "")
    if text.startswith("about ") and NUMBER.fullmatch(first.removeprefix("about ")):
        return f"{{$\\approx${first.removeprefix('about ')}{notes.marks([word.removesuffix(')'), *marks])}}}"
    if text in LEGEND or len(text) > SAID:
        return f"{{--{notes.marks([text, *marks])}}}"
    return f"{{{tex(text)}{notes.marks(marks)}}}"


def _plain(number: str) -> str:
    """A number without separators, and without a power of ten unless it is very small."""
    value = Decimal(number.replace(",", ""))
    return format(value, "f") if value >= Decimal("1e-7") or not value else number


def _width(entry: str) -> float:
    """About how wide an entry is, in letters."""
    notes = sum(0.8 * len(found) for found in re.findall(r"\\tnote\{([^}]*)\}", entry))
    entry = re.sub(r"\\[{}]", "o", entry)  # a brace that is printed
    return len(re.sub(r"\\tnote\{[^}]*\}|[{}$\\]|(?<=\\)[a-z]+", "", entry)) + entry.count("$") / 2 + notes


def _widest(entries: Sequence[str], numbers: Sequence[re.Match[str]]) -> float:
    """The width of a column: its texts', or its numbers' with all their digits aligned."""
    widest = max(map(_width, entries), default=1.0)
    if not numbers:
        return widest
    whole, part, power = (max(len(found[n] or "") for found in numbers) for n in (1, 2, 3))
    notes = max(_width(entry) - len(_bare(entry)) for entry in entries)
    return max(widest, whole + whole // 4 * 0.5 + part + 8 * bool(power) + notes)


def _layout(heads: Sequence[tuple[str, str]], columns: Sequence[Sequence[str]]) -> tuple[list[str], str, str, str]:
    """Headings, broken or turned where they are wide; the form of the columns, the environment, the size of type."""
    numbers = [[found for text in texts if (found := NUMBER.fullmatch(_bare(text)))] for texts in columns]
    widths = [_widest(texts, found) for texts, found in zip(columns, numbers, strict=True)]
    long = [not found and width > LONG for found, width in zip(numbers, widths, strict=True)]
    titles = []
    for place, (_, title) in enumerate(heads):
        lines = _broken(title, widths[place])
        turned = widths[place] < 2 < len(title)
        broken = r"\\".join(lines)
        titles.append(rf"\rotatebox{{90}}{{{title}}}" if turned else rf"\shortstack{{{broken}}}")
        widths[place] = max(widths[place], 2 if turned else max(map(_width, lines)))
    for span, group in groupby(range(len(heads)), lambda place: heads[place][0]):
        places = list(group)
        widths[places[0]] += max(0, len(span) - sum(widths[place] for place in places))
    fixed = sum(width for width, one in zip(widths, long, strict=True) if not one)
    least = sum(max(LEAST, width / 3) for width, one in zip(widths, long, strict=True) if one)
    for page, name in ((ONE, "small"), *((WIDE, name) for name in SIZES)):
        letter = SIZES[name]
        rest = page - GAP * len(columns) - letter * fixed
        if rest >= least * letter:
            break
    share = rest / max(1, sum(width for width, one in zip(widths, long, strict=True) if one))
    parts = [
        rf">{{\raggedright\arraybackslash}}p{{{int(min(share, letter) * width)}pt}}" if one else _form(found)
        for found, width, one in zip(numbers, widths, long, strict=True)
    ]
    return titles, "".join(parts), "table" if page == ONE else "table*", name


def _bare(entry: str) -> str:
    """An entry without its notes."""
    return re.sub(r"\{\\tnote\{[^}]*\}\}", "", entry)


def _broken(title: str, width: float) -> list[str]:
    """The lines of a heading over a column of this width."""
    lines: list[str] = []
    for word in title.split(" "):
        if lines and _width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _form(found: Sequence[re.Match[str]]) -> str:
    """A column of numbers with as many digits as they need; of texts without any."""
    if not found:
        return "l"
    whole, part, power = (max(len(match[n] or "") for match in found) for n in (1, 2, 3))
    form = f"{whole}.{max(0, part - 1)}" + (f"e-{power - 2}" if power else "")
    return f"S[table-format={form},group-separator={{,}},group-minimum-digits=4]"


def _tabular(spans: Sequence[str], titles: Sequence[str], columns: Sequence[Sequence[str]], form: str) -> str:
    """The lines of the table, with a rule below each heading that several columns share."""
    import pandas as pd  # takes a second, which whoever asks for the names of the formats need not wait for

    frame = pd.DataFrame(list(zip(*columns, strict=True)))
    pairs = zip(spans, titles, strict=True)
    frame.columns = pd.MultiIndex.from_tuples(pairs) if any(spans) else pd.Index(list(titles))
    style = frame.style.hide(axis="index")
    lines = str(style.to_latex(column_format=form, hrules=True, siunitx=True, multicol_align="c")).splitlines()
    rules, place = [], 1
    for span, group in groupby(spans):
        count = len(list(group))
        rules += [rf"\cmidrule(lr){{{place}-{place + count - 1}}}"] * bool(span)
        place += count
    return "\n".join([*lines[:3], *([" ".join(rules)] if rules else []), *lines[3:]])


def _after(table: Table) -> list[str]:
    """What is said after the float: of all runs, of unequal comparisons, where the runs are not the paper's."""
    said = [table.about] if table.about else []
    for place in table.columns:
        if _wordy(table, place):
            told = ((row.key, cells[place].text) for row, cells in zip(table.spec.rows, table.cells, strict=True))
            said += [f"{table.spec.columns[place].head}, {row}: {text}." for row, text in told if text]
    said += table.unequal
    if found := table.differences:
        said += [f"{TITLE}:", *found.common]
        for row, column, texts in found.lines:
            parts = zip(found.aspects, texts, strict=True)
            said.append(f"{row}, {column}: {'; '.join(f'{aspect}: {text}' for aspect, text in parts if text)}.")
    if not said:
        return []
    start = r"\begingroup\footnotesize\raggedright\setlength{\parindent}{0pt}"
    head = rf"Notes to Table~\ref{{tab:{table.spec.name}}}.\par"
    return [start, head, *(rf"{tex(text)}\par" for text in said), r"\endgroup"]
