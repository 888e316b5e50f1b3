"""Run the tutorials and render them as pages: ``python docs/site/tutorials.py FOLDER [NAME ...]``.

A tutorial is ``docs/tutorials/NAME.py``, a script: ``# %% [markdown]`` begins one of text, ``# %%`` one of code.
Its page ``FOLDER/NAME.md`` shows the text, the code, what it printed and the pictures that it drew. All run in one
process, in their order, each with names of its own. The pages in ``docs/tutorials/`` are made so, and kept.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[1] / "tutorials"
CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def names() -> list[str]:
    """The tutorials in their order."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def title(name: str) -> str:
    """The heading of a tutorial."""
    return (SOURCES / f"{name}.py").read_text(encoding="utf-8").split("# # ", 1)[1].split("\n", 1)[0]


def cells(text: str) -> list[tuple[bool, str, int]]:
    """Whether a cell is text, its content, and the line where it begins."""
    found = list(CELL.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        (match[1] is not None, text[match.end() : end].strip("\n"), text.count("\n", 0, match.end()))
        for match, end in zip(found, ends, strict=True)
    ]


def execute(code: str, scope: dict[str, Any], where: str, line: int) -> str:
    """Run a cell of code, whose lines are numbered as in its file; return what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.increment_lineno(ast.parse(code, where), line), where, "exec"), scope)
    return printed.getvalue()


def pictures(folder: Path, name: str, number: int) -> list[str]:
    """Write the figures that are open, and close them; return their files' names."""
    import matplotlib.pyplot as plt

    found = []
    for figure in map(plt.figure, plt.get_fignums()):
        found.append(f"{name}-{number + len(found)}.png")
        figure.savefig(folder / found[-1], dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")
    return found


def render(name: str, folder: Path) -> Path:
    """Run a tutorial and write its page and pictures into ``folder``; return the page."""
    source = SOURCES / f"{name}.py"
    scope: dict[str, Any] = {"__name__": "tutorial"}
    parts, drawn = [], 0
    for is_text, content, line in cells(source.read_text(encoding="utf-8")):
        if is_text:
            parts.append("\n".join(row.removeprefix("#").removeprefix(" ") for row in content.split("\n")))
            continue
        printed = execute(content, scope, str(source), line)
        parts.append(f"```python\n{content}\n```")
        if printed.strip():
            parts.append(f"```text\n{printed.rstrip()}\n```")
        files = pictures(folder, name, drawn)
        drawn += len(files)
        parts += [f"![What this cell drew]({file})" for file in files]
    page = folder / f"{name}.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def main() -> None:
    """Render all, or those that are named."""
    import matplotlib

    matplotlib.use("agg")
    folder, *wanted = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in wanted or names():
        print(render(name, Path(folder)))


if __name__ == "__main__":
    main()
