"""Figures as functions of plain data frames: the same data give the same bytes, as PNG and as SVG.

Colours are told apart by the colour-blind and differ in brightness; curves also differ in dash, points in shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from uhn.paper.report.curves import COLOURS
from uhn.paper.report.drawing import DASHES, MARKERS, STYLE, check, numbers, panels

SHOWN = {"direct": "Direct", "ha": "HA", "chunked": "Chunked", "uhn": "UHN"}


def families(frame: pd.DataFrame, *, order: Sequence[str] | None = None) -> Figure:
    """Figure 3: accuracy against parameters, a panel per family, seen and unseen members.

    Args:
        frame: one row per member with ``family``, ``member``, ``parameters``, ``accuracy`` (in [0, 1]), ``seen`` and
            ``majority``, what always answering the most frequent class gives (not a number where nobody knows).
        order: families in order of panels; as they come if none.

    The largest unseen member is an outlier and named if no seen one is as large.
    """
    check(frame, "family", "member", "parameters", "accuracy", "seen", "majority")
    names = list(dict.fromkeys(frame["family"])) if order is None else list(order)
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(len(names), columns=min(2, len(names)))
        for axis, name in zip(axes, names, strict=True):
            own = frame[frame["family"] == name]
            for seen, label, colour, marker in ((True, "seen", COLOURS[0], "o"), (False, "unseen", COLOURS[1], "^")):
                part = own[own["seen"] == seen]
                size, height = numbers(part, "parameters") / 1e6, 100 * numbers(part, "accuracy")
                style: dict[str, Any] = {"marker": marker, "edgecolors": colour, "label": label, "s": 22}
                axis.scatter(size, height, facecolors="none" if seen else colour, **style)
            _name_outlier(axis, own)
            guess = numbers(own, "majority")
            if np.isfinite(guess).any():
                style = {"color": "#777777", "linestyle": DASHES[2], "linewidth": 1, "label": "most frequent class"}
                axis.axhline(100 * float(np.nanmean(guess)), **style)
            axis.set(title=name, xlabel="parameters (millions)", ylabel="test accuracy (%)")
            axis.legend(loc="best")
    return figure


def outlier(members: pd.DataFrame) -> pd.DataFrame:
    """The largest member of one family if it is unseen and no seen one is as large, else no row."""
    seen = members["seen"].astype(bool)
    beyond = members[~seen & (members["parameters"] > members.loc[seen, "parameters"].max())]
    return beyond.nlargest(1, "parameters")


def _name_outlier(axis: Axes, members: pd.DataFrame) -> None:
    beyond = outlier(members)
    places = zip(numbers(beyond, "parameters") / 1e6, 100 * numbers(beyond, "accuracy"), strict=True)
    for name, place in zip(beyond["member"], places, strict=True):
        axis.annotate(str(name), place, xytext=(-6, 6), textcoords="offset points", ha="right", fontsize=8)


def kernels(weights: Mapping[str, np.ndarray], *, rows: int = 8) -> Figure:
    """Figure 4: convolution kernels under each encoding, all on one scale from blue (negative) to red (positive).

    Args:
        weights: ``[out, in, height, width]`` by title.
        rows: output and input channels shown, from the first.

    Raises:
        ValueError: for weights of another shape, or none.
    """
    if not weights:
        raise ValueError("wanted the kernels of at least one encoding, got none")
    if wrong := {title: w.shape for title, w in weights.items() if w.ndim != 4}:
        raise ValueError(f"wanted kernels [out, in, height, width], got {wrong}")
    limit = max(float(np.abs(w[:rows, :rows]).max()) for w in weights.values()) or 1.0
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = panels(len(weights), columns=len(weights), width=3.2, height=3.4)
        for axis, (title, tensor) in zip(axes, weights.items(), strict=True):
            image = axis.imshow(_mosaic(tensor[:rows, :rows]), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set(title=title, xticks=[], yticks=[], xlabel="input channel", ylabel="output channel")
            axis.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, shrink=0.7, label="weight")
    return figure


def _mosaic(tensor: np.ndarray) -> np.ndarray:
    """Kernels side by side with a gap of one pixel; gaps are not a number and stay white."""
    out, inputs, height, width = tensor.shape
    picture = np.full((out * (height + 1) - 1, inputs * (width + 1) - 1), np.nan)
    for o in range(out):
        for i in range(inputs):
            top, left = o * (height + 1), i * (width + 1)
            picture[top : top + height, left : left + width] = tensor[o, i]
    return picture


def early_loss(frame: pd.DataFrame, *, epochs: int = 20, unit: str = "epoch", title: str = "") -> Figure:
    """Figure 5: training loss averaged over each early epoch, with and without the initialisation phase.

    Args:
        frame: one row per step with ``option`` (e.g. ``with initialisation``), ``seed``, ``epoch`` (from 1), ``loss``.
        epochs: the first so many.
        unit: ``"step"`` if the column ``epoch`` counts steps, as histories of budgets in steps do; all are drawn.
        title: printed above.

    Each option is one line, the mean over seeds, in a band of one sample standard deviation.
    """
    check(frame, "option", "seed", "epoch", "loss")
    means = epoch_means(frame[frame["epoch"] <= epochs] if unit == "epoch" else frame)
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = panels(1, columns=1, width=5.2, height=3.4)
        for number, option in enumerate(dict.fromkeys(means["option"])):
            own = means[means["option"] == option]
            epoch, mean = numbers(own, "epoch"), numbers(own, "mean")
            axis.plot(epoch, mean, color=COLOURS[number], linestyle=DASHES[number], label=option)
            spread = np.nan_to_num(numbers(own, "std"))
            axis.fill_between(epoch, mean - spread, mean + spread, color=COLOURS[number], alpha=0.15, linewidth=0)
        axis.set(title=title, xlabel=unit, ylabel="training loss" + " (epoch mean)" * (unit == "epoch"))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(loc="best")
    return figure


def epoch_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Loss by option and epoch: mean within each seed's epoch, then mean and sample deviation over seeds."""
    seeds = frame.groupby(["option", "seed", "epoch"], sort=False, as_index=False)["loss"].mean()
    grouped = seeds.groupby(["option", "epoch"], sort=False)["loss"]
    return grouped.agg(["mean", "std"]).reset_index()


def growth(frame: pd.DataFrame) -> Figure:
    """Parameters of each method against the target's size (Table 2): whose curve grows.

    Args:
        frame: one row per cell with ``model``, ``target``, ``method``, ``parameters``.
    """
    check(frame, "model", "target", "method", "parameters")
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = panels(1, columns=1, width=5.2, height=3.4)
        for number, method in enumerate(dict.fromkeys(frame["method"])):
            own = frame[frame["method"] == method].sort_values("target")
            style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "label": SHOWN.get(method, method)}
            style |= {"linestyle": DASHES[number % len(DASHES)], "marker": MARKERS[number % len(MARKERS)]}
            axis.plot(numbers(own, "target") / 1e3, numbers(own, "parameters") / 1e3, markersize=4, **style)
        models = frame.drop_duplicates("model")
        sizes = numbers(models, "target") / 1e3
        axis.set_xticks(sizes, [f"{name}\n{size:,.0f}" for name, size in zip(models["model"], sizes, strict=True)])
        axis.set(xlabel="target model, weights (thousands)", ylabel="trained parameters (thousands)", ylim=(0, None))
        axis.legend(loc="best")
    return figure


def training(frame: pd.DataFrame, *, title: str = "", metric: str = "accuracy") -> Figure:
    """Training loss and, where it was taken, the validation metric by step: a colour per source, a line per seed.

    Args:
        frame: one row per step with ``method``, ``seed``, ``step``, ``loss``, ``metric`` (NaN where not taken).
        title: printed above.
        metric: name of the metric.
    """
    check(frame, "method", "seed", "step", "loss", "metric")
    taken = frame[frame["metric"].notna()]
    with matplotlib.rc_context(STYLE):
        figure, axes = panels(1 if taken.empty else 2, columns=1 if taken.empty else 2)
        for number, method in enumerate(dict.fromkeys(frame["method"])):
            style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1}
            style["linestyle"] = DASHES[number % len(DASHES)]
            for column, axis, part in zip(("loss", "metric"), axes, (frame, taken), strict=False):
                for count, (_, own) in enumerate(part[part["method"] == method].groupby("seed", sort=True)):
                    label = SHOWN.get(method, method) if count == 0 else None
                    axis.plot(numbers(own, "step"), numbers(own, column), label=label, **style)
        axes[0].set(title=title, xlabel="step", ylabel="training loss")
        if (frame["loss"] > 0).all():
            axes[0].set_yscale("log")
        if len(axes) > 1:
            axes[1].set(xlabel="step", ylabel=f"validation {metric}")
        axes[0].legend(loc="best")
    return figure
