"""Every ``.tex`` compiles: as far as it can be told without LaTeX, and by LaTeX where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reporting_synthetic import GENERATOR, leave, metrics, opened

from uhn.paper.report.book import Book
from uhn.paper.report.tables import LEGEND, WHOSE, build, tex, to_tex
from uhn.paper.tables.catalogue import tables

REFERENCE = Path(__file__).parents[3] / "results" / "reference"

DOCUMENT = r"""\documentclass[12pt]{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def crowded(results: Path) -> Book:
    """A table in which every cell differs in everything, and texts hold every sign that LaTeX reads otherwise."""
    for number, name in enumerate(("mnist-mlp", "mnist-cnn8", "cifar10-cnn20", "cora-gcn", "imdb-transformer")):
        for method in ("direct", "uhn"):
            small = GENERATOR | {
                "hidden": number + 1,
                "index_frequencies": number + 2,
                "encoding": "a_b & 5% #1 {x} ~^\\",
            }
            record = metrics(name, method, 1, 0.5, full=False, kind="stand-in", generator=small)
            record["settings"]["hyperparameters"] = list(WHOSE)[number % len(WHOSE)]
            leave(results, record)
    return replace(opened(results), profile="quick_&")


def check(text: str) -> None:
    """What LaTeX would stumble over."""
    assert text.isascii()
    caption = re.search(r"\\caption{(.*)}\n", text)
    assert caption and 0 < len(caption[1]) < 250, (
        "TeX sets a caption on one line first, and knows no length above 5.7 m"
    )
    assert all(len(line) < 20_000 for line in text.splitlines())
    assert not re.search(r"\\\\\n\s*[\[*]", text), "would be an argument of the line's end"
    bare = re.sub(r"\\[\\{}%&#_$]", "", text)
    depth = 0
    for char in bare:
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[#^~]", bare.replace(r"Table~\ref", ""))
    assert bare.count("%") == 1, "only the one after resizebox begins a comment"
    opened: list[str] = []
    for edge, name in re.findall(r"\\(begin|end){(\w+)}", text):
        if edge == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    float_, notes = text.split(r"\end{table}" + "\n")
    assert r"\footnotesize" not in float_, "long notes would run off the page"
    assert notes.count(r"\begingroup") == notes.count(r"\endgroup") == (notes != "")


def test_every_table_is_sound(tmp_path: Path) -> None:
    book = crowded(tmp_path)
    texts = [to_tex(build(spec, book)) for spec in tables(book.methods).values()]
    assert len(texts) == 28
    for text in texts:
        check(text)
    one = texts[0]
    assert r"hidden width 1 (paper 64)" in one.partition(r"\end{tabular}")[2], "details stand below the table"
    assert r"a\_b \& 5\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}" in one


def test_every_reference_table_is_sound() -> None:
    for folder in REFERENCE.iterdir():
        for path in (folder / "tables").glob("*.tex"):
            check(path.read_text(encoding="utf-8"))


def test_every_text_of_ours_has_its_signs_in_latex() -> None:
    for text in (*LEGEND, *LEGEND.values(), *WHOSE.values()):
        assert tex(text).isascii(), text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_every_table(tmp_path: Path) -> None:
    book = crowded(tmp_path)
    texts = [to_tex(build(spec, book)) for spec in tables(book.methods).values()]
    texts += [path.read_text(encoding="utf-8") for path in sorted(REFERENCE.glob("*/tables/*.tex"))]
    (tmp_path / "all.tex").write_text(DOCUMENT % "\n\\clearpage\n".join(texts))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Float too large" not in done.stdout, "what does not fit on its page is cut off"
