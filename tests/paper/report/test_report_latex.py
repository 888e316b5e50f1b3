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
from uhn.paper.report.latex import tex, to_tex
from uhn.paper.report.tables import LEGEND, WHOSE, build
from uhn.paper.tables.catalogue import tables
from uhn.paper.tables.columns import LAST
from uhn.paper.tables.further import FURTHER

REFERENCE = Path(__file__).parents[3] / "results" / "reference"

DOCUMENT = r"""\documentclass[%s]{article}
\usepackage{array,booktabs,graphicx,siunitx,threeparttable}
\begin{document}
%s
\end{document}
"""
PACKAGES = ("siunitx.sty", "threeparttable.sty", "booktabs.sty")


def installed() -> bool:
    """Whether LaTeX is here with all that the tables need."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", *PACKAGES], capture_output=True, check=False).returncode == 0


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
    assert "%" not in bare, "would begin a comment"
    opened: list[str] = []
    for edge, name in re.findall(r"\\(begin|end){([\w*]+)}", text):
        if edge == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert r"\resizebox" not in text and all(rf"\{rule}" in text for rule in ("toprule", "midrule", "bottomrule"))
    float_, notes = re.split(r"\\end{table\*?}\n", text)
    letters = {letter for marks in re.findall(r"\\tnote{([a-z,]+)}", float_) for letter in marks.split(",")}
    assert letters == {*re.findall(r"\\item\[([a-z]+)\]", float_)}, "each letter has its note, each note its letter"
    assert notes.count(r"\begingroup") == notes.count(r"\endgroup") == (notes != "")


def test_every_table_is_sound(tmp_path: Path) -> None:
    book = crowded(tmp_path)
    texts = [to_tex(build(spec, book)) for spec in tables(book.methods).values()]
    assert len(texts) == LAST + bool(FURTHER)
    for text in texts:
        check(text)
    one = texts[0]
    assert r"hidden width 1 / 64" in one.partition(r"\end{tabular}")[2], "details stand below the table"
    assert r"a\_b \& 5\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}" in one


def test_every_reference_table_is_sound() -> None:
    for folder in REFERENCE.iterdir():
        for path in (folder / "tables").glob("*.tex"):
            check(path.read_text(encoding="utf-8"))


def test_every_text_of_ours_has_its_signs_in_latex() -> None:
    for text in (*LEGEND, *LEGEND.values(), *WHOSE.values()):
        assert tex(text).isascii(), text


def test_numbers_are_aligned_and_headings_shared(tmp_path: Path) -> None:
    for seed, value in ((1, 0.98), (2, 0.985)):
        leave(tmp_path, metrics("mnist-mlp", "direct", seed, value))
    leave(tmp_path, metrics("kan-kv", "uhn", 1, 9.34e-5))
    book = opened(tmp_path)
    one, eleven, ten = (to_tex(build(tables(book.methods)[name], book)) for name in ("table01", "table11", "table10"))
    assert r"\multicolumn{4}{c}{Direct}" in one and r"\cmidrule(lr){4-7}" in one
    assert r"S[table-format=2.2," in one and re.search(r"MLP & 118282 & 98\.25\{\\tnote{\w}\} & 0\.35 & 98\.37 &", one)
    assert "0.0000934" in eleven, "a column has no powers of ten"
    assert r"\begin{table*}" in one and r"\begin{table}" in ten
    assert r"{--\tnote{" in one, "words are notes"


@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
@pytest.mark.skipif(not installed(), reason="needs pdflatex with siunitx, threeparttable and booktabs")
def test_latex_compiles_every_table(tmp_path: Path, columns: str) -> None:
    book = crowded(tmp_path)
    texts = [to_tex(build(spec, book)) for spec in tables(book.methods).values()]
    texts += [path.read_text(encoding="utf-8") for path in sorted(REFERENCE.glob("*/tables/*.tex"))]
    texts = list(dict.fromkeys(texts))  # profiles have tables in common
    (tmp_path / "all.tex").write_text(DOCUMENT % (f"10pt,{columns}", "\n\\clearpage\n".join(texts)))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Float too large" not in done.stdout, "what does not fit on its page is cut off"
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", done.stdout)]
    assert max(wide, default=0) < 10, "tables stay within the margins"
