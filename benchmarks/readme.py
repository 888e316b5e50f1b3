"""Writes the results into README.md between their markers, so that no figure is typed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from uhn.files import write_atomically

Row = Mapping[str, Any]
Cell = str | Callable[[Row], str]
"""A column of the csv as ``"key format"``, or a function of the row."""


def _spread(side: str) -> Callable[[Row], str]:
    return lambda row: f"{row[f'{side}_s']:.3g} ({row[f'{side}_low_s']:.3g}–{row[f'{side}_high_s']:.3g})"


GENERATOR: tuple[tuple[str, Cell], ...] = (
    ("model", "model"),
    ("weights", "weights ,"),
    ("steps", "repeats"),
    ("ours (s)", _spread("ours")),
    ("straightforward (s)", _spread("plain")),
    ("speed-up", "speedup .2f"),
    ("bound / ours", "bound_over_ours .2f"),
    ("straightforward / bound", "plain_over_bound .2f"),
    ("at most 2.6", lambda row: "yes" if row["plain_is_fair"] else "NO"),
    ("ours (MiB)", "ours_mib .0f"),
    ("straightforward (MiB)", "plain_mib .0f"),
    ("weights: largest error", "weights_max .1e"),
    ("rms", "weights_rms .1e"),
    ("gradient: rms", "gradient_rms .1e"),
)

SCALING: tuple[tuple[str, Cell], ...] = (
    ("weights", "weights ,"),
    ("ours (s)", _spread("ours")),
    ("ours (µs a weight)", lambda row: f"{row['ours_s'] / row['weights'] * 1e6:.3g}"),
    ("straightforward (s)", _spread("plain")),
    ("speed-up", "speedup .2f"),
    ("ours (MiB)", "ours_mib .0f"),
    ("straightforward (MiB)", "plain_mib .0f"),
)

STEPS: tuple[tuple[str, Cell], ...] = (
    ("row of Table 1", "row"),
    ("weights", "weights ,"),
    ("precision", "precision"),
    ("steps", "steps"),
    ("ours (s)", _spread("ours")),
    ("the authors' arithmetic (s)", _spread("authors")),
    ("speed-up", "speedup .1f"),
    ("first losses apart by", "loss_difference .0e"),
)

LEASE: tuple[tuple[str, Cell], ...] = (
    ("run", "row"),
    ("weights", "weights ,"),
    ("ours, bf16 (ms)", "ours_ms .2f"),
    ("straightforward, fp16 (ms)", "dense_ms .2f"),
    ("that compiled (ms)", "compiled_ms .2f"),
    ("speed-up over the faster", "speedup .1f"),
    ("ours (MiB)", "ours_mib"),
    ("straightforward (MiB)", "dense_mib"),
)

TRAINING: tuple[tuple[str, Cell], ...] = (
    ("side", "side"),
    ("steps", "steps"),
    ("seconds a step", _spread("step")),
    ("steps a second", "rate .3g"),
    ("processor seconds a step", "step_cpu_s .3g"),
    ("loss, first step", "first_loss .6f"),
    ("loss, last step", "last_loss .6f"),
)

ACCURACY: tuple[tuple[str, Cell], ...] = (
    ("epoch", "epoch"),
    ("straightforward (%)", lambda row: f"{100 * row['straightforward']:.2f}"),
    ("ours, same seed (%)", lambda row: f"{100 * row['ours']:.2f}"),
    ("ours, mean (%)", lambda row: f"{100 * row['mean']:.2f}"),
    ("smallest–largest (%)", lambda row: f"{100 * row['low']:.2f}–{100 * row['high']:.2f}"),
    ("deviation", lambda row: f"{100 * row['deviation']:.2f}"),
)


def table(rows: Sequence[Row], columns: Sequence[tuple[str, Cell]]) -> str:
    """The rows as Markdown; a row that lacks a column has a dash there."""
    lines = ["| " + " | ".join(head for head, _ in columns) + " |"]
    lines.append("|" + "|".join("--:" if number else "---" for number in range(len(columns))) + "|")
    lines += ["| " + " | ".join(_cell(row, cell) for _, cell in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(row: Row, cell: Cell) -> str:
    try:
        if callable(cell):
            return cell(row)
        key, _, form = cell.partition(" ")
        return format(row[key], form)
    except KeyError:
        return "–"


def machine(row: Row) -> str:
    """The machine in words."""
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    return f"{row['processor']}, {row['cores']} cores, {threads}, torch {row['torch']}"


def generator_text(rows: Sequence[Row], points: Sequence[Row]) -> str:
    """The models' table, the scaling plot and its table."""
    first = rows[0]
    lines = [f"{machine(first)}. Medians with the smallest and largest; the bound is products and sines together."]
    if "baseline_mib" in first:
        lines[0] += f" A process holds {first['baseline_mib']:.0f} MiB once everything is imported."
    lines += ["", table(rows, GENERATOR), ""]
    lines += [f"{row['model']}: skipped {row['skipped']}." for row in rows if "skipped" in row]
    if points:
        lines += ["", "![time and memory against the number of weights](results/scaling.png)", ""]
        lines += [f"Over the points above 10,000 weights our time grows as N^{_exponent(points):.2f}.", ""]
        lines += [table(points, SCALING)]
    return "\n".join(lines).rstrip()


def _exponent(points: Sequence[Row]) -> float:
    """Slope of the least-squares line through (log N, log time)."""
    pairs = [(math.log(row["weights"]), math.log(row["ours_s"])) for row in points if row["weights"] > 10_000]
    if len(pairs) < 2:
        return math.nan
    x, y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    return sum((a - x) * (b - y) for a, b in pairs) / sum((a - x) ** 2 for a, _ in pairs)


def steps_text(rows: Sequence[Row]) -> str:
    """The steps of Table 1's rows, beside the authors' arithmetic."""
    compared = [row for row in rows if "speedup" in row]
    told = ", ".join(f"{row['speedup']:.1f} ({row['row']}, {row['precision']})" for row in compared)
    lines = [
        f"{machine(rows[0])}. Whole training steps, processor time: medians, smallest and largest; a dash where "
        "the dense form needs too much memory. The generator, the base model, the loss and the optimiser are in it. "
        f"Against the authors' arithmetic a step is so many times as fast: {told}.",
    ]
    return "\n".join([*lines, "", table(rows, STEPS)])


def lease_text(rows: Sequence[Row], lines: Sequence[Row]) -> str:
    """Whole steps on a rented card, and how far its weights and gradients are from the CPU's."""
    apart = {
        precision: [line for line in lines if line.get("precision") == precision] for precision in ("fp32", "bf16")
    }
    worst = {
        (precision, key): max(line[key] for line in found if line["what"] == "agreement")
        for precision, found in apart.items()
        for key in ("weights", "worst_gradient")
    }
    models = sum(line["what"] == "agreement" for line in apart["fp32"])
    said = (
        f"{lines[-1]['processor']}, torch {lines[-1]['torch']}, one process. Whole training steps, the mean of ten "
        "after twenty; ours recorded as a CUDA graph. A dash: not timed. Weights of "
        f"{models} models differ from the CPU's float32 by at most {worst['fp32', 'weights']:.0e} of their norm in "
        f"fp32 ({worst['bf16', 'weights']:.0e} in bf16), gradients by {worst['fp32', 'worst_gradient']:.0e} in the "
        f"worst tensor ({worst['bf16', 'worst_gradient']:.0e})."
    )
    return "\n".join([said, "", table(rows, LEASE)])


def training_text(rows: Sequence[Row]) -> str:
    """The training table with how far the losses are apart."""
    first = rows[0]
    ratio = rows[1]["step_s"] / first["step_s"]
    lines = [
        f"{machine(first)}; {first['run']} of the profile paper, data: {first['data']}. Medians with the smallest and "
        f"largest. A training step is {ratio:.2f} times as fast; over these steps the two losses differ by at most "
        f"{first['loss_difference']:.1e} of their value.",
    ]
    return "\n".join([*lines, "", table(rows, TRAINING)])


def accuracy_text(rows: Sequence[Row]) -> str:
    """The validation accuracy of both generators by epoch."""
    last = rows[-1]
    apart = 100 * abs(last["straightforward"] - last["ours"])
    lines = [
        f"{machine(last)}; {last['run']} of the profile {last['profile']}, data: {last['data']}; {last['seeds']} seeds "
        f"of ours. After the last epoch the two generators are {apart:.2f} points apart under the same seed.",
    ]
    return "\n".join([*lines, "", table(rows, ACCURACY)])


PER_WEIGHT: tuple[tuple[str, Cell], ...] = (
    ("source", "source"),
    ("model", "model"),
    ("weights", "weights ,"),
    ("generating (µs per weight)", "forward_us .2g"),
    ("with the backward pass (µs per weight)", "step_us .2g"),
)


def per_weight_text(rows: Sequence[Row]) -> str:
    """What sources take per weight."""
    return f"{machine(rows[0])}; processor time, medians.\n\n" + table(rows, PER_WEIGHT)


def write_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of section ``name`` in ``path``.

    Raises:
        ValueError: if a marker is missing or there twice.
    """
    begin, end = f"<!-- {name}: written by the script -->", f"<!-- end of {name} -->"
    page = path.read_text(encoding="utf-8")
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"{path} needs each of {begin!r} and {end!r} once")
    head, rest = page.split(begin)
    write_atomically(path, f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")
