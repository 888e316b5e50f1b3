"""Writes the table of results into README.md between its markers, so that no figure is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: written by the script -->", "<!-- end of results -->"

COLUMNS = (
    ("model", "model", "{}"),
    ("weights", "weights", "{:,}"),
    ("ours (s)", "ours_s", "{:.3g}"),
    ("straightforward (s)", "plain_s", "{:.3g}"),
    ("speed-up", "speedup", "{:.2f}"),
    ("products (s)", "products_s", "{:.3g}"),
    ("sines (s)", "sines_s", "{:.3g}"),
    ("straightforward / bound", "plain_over_bound", "{:.2f}"),
    ("ours (MiB)", "ours_mib", "{:.0f}"),
    ("straightforward (MiB)", "plain_mib", "{:.0f}"),
    ("weights, largest error", "weights_max", "{:.1e}"),
    ("gradient, rms error", "gradient_rms", "{:.1e}"),
)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown, with a line about the machine."""
    first = rows[0]
    lines = [
        f"{first['processor']}, {first['cores']} cores, {first['threads']} threads, torch {first['torch']}. "
        f"Medians; a process holds {first.get('baseline_mib', 0):.0f} MiB once everything is imported.",
        "",
        "| " + " | ".join(head for head, _, _ in COLUMNS) + " |",
        "|" + "|".join("---" if key == "model" else "--:" for _, key, _ in COLUMNS) + "|",
    ]
    for row in rows:
        cells = [form.format(row[key]) if key in row else "–" for _, key, form in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"{row['model']}: skipped {row['skipped']}." for row in rows if row["skipped"])]
    return "\n".join(lines).rstrip()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace what stands between the markers in ``path``. Raises ``ValueError`` if they are missing."""
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path} needs each of {BEGIN!r} and {END!r} once")
    head, rest = text.split(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{table(rows)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
