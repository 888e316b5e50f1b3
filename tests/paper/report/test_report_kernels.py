"""Figure 4, from the weight sources that runs leave behind; Figure 5's unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reporting_synthetic import leave, metrics, opened

from uhn.descriptors.ranges import Ranges
from uhn.models import zoo
from uhn.paper.report import figures, frames
from uhn.paper.report.book import Book
from uhn.paper.report.render import drawable, render
from uhn.paper.tables.catalogue import KERNELS
from uhn.sources import UniversalHypernetwork, WeightSource
from uhn.sources.files import save_source

SPEC = zoo("cnn20-cifar10")
ENCODINGS = {"Raw": "raw", "Positional": "positional", "GFF": "gff"}


def record(experiment: str, seed: int = 1, **changes: Any) -> dict[str, Any]:
    made = metrics(experiment, "uhn", seed, **({"value": 0.5} | changes))
    made["settings"]["tasks"] = [{"dataset": "cifar10", "model": "cnn20-cifar10", "probability": 1.0}]
    made["settings"]["compute"] = {"device": "cpu", "threads": 1}
    return made


@pytest.fixture(scope="module")
def sources() -> dict[str, WeightSource]:
    ranges = Ranges.declared([SPEC])
    return {
        title: UniversalHypernetwork(ranges, hidden=4, blocks=0, frequencies=4, encoding=encoding, seed=3)
        for title, encoding in ENCODINGS.items()
    }


@pytest.fixture
def results(tmp_path: Path, sources: dict[str, WeightSource]) -> Path:
    for title, experiment in KERNELS.items():
        # the first seed diverged and the second lost its file: the third is shown
        leave(tmp_path, record(experiment, 1, value=None), record(experiment, 2), record(experiment, 3))
        for seed in (1, 3):
            path = tmp_path / "quick" / "runs" / experiment / "uhn" / f"seed-{seed}" / "model.safetensors"
            save_source(sources[title], path)
    return tmp_path


def book(results: Path) -> Book:
    return opened(results)


def test_kernels_are_those_of_the_third_convolution(results: Path, sources: dict[str, WeightSource]) -> None:
    found = frames.kernels(book(results))
    assert list(found) == ["Raw", "Positional", "GFF"]
    start = sum(param.numel for layer in SPEC.layers[:2] for param in layer.params())
    for title, kernels in found.items():
        with torch.no_grad():
            wanted = sources[title](SPEC)[start : start + 16 * 16 * 9].view(16, 16, 3, 3)
        np.testing.assert_array_equal(kernels, wanted.numpy())


def test_the_figure_is_rendered_with_the_others_and_always_the_same(results: Path) -> None:
    assert "figure4" in drawable(book(results))
    paths = render(["figure4"], book(results), results)
    assert [path.suffix for path in paths] == [".png", ".svg", ".csv"]
    one, other = (frames.pixels(frames.kernels(book(results))) for _ in range(2))
    assert one.equals(other) and len(one) == 3 * 16 * 16 * 9


def test_an_encoding_without_a_weight_source_keeps_the_figure_out_of_all(results: Path) -> None:
    (results / "quick/runs/cifar10-cnn20-raw/uhn/seed-3/model.safetensors").unlink()
    assert "figure4" not in drawable(book(results))
    assert list(frames.kernels(book(results))) == ["Positional", "GFF"]
    assert render(["figure4"], book(results), results), "asked for by name, it shows what there is"
    with pytest.raises(ValueError, match="at least one encoding, got none"):
        render(["figure4"], Book("quick", {}), results)


def test_figure_5_counts_in_what_the_budget_does(tmp_path: Path) -> None:
    values = {"a": {"value": 0.8, "parameters": 10, "seen": True}}
    for name in ("transformer-mixed", "transformer-mixed-no-init"):
        made = metrics(name, "uhn", 1, 0.7, values=values)
        made["settings"]["train"] |= {"epochs": None, "steps": 40}
        lines = [f"train,{step},{step},0.1,{1 / step},,0.1" for step in range(1, 41)]
        leave(tmp_path, made, text="\n".join(["phase,step,epoch,lr,loss,metric,seconds", *lines, ""]))
    found = book(tmp_path)
    assert frames.early_unit(found) == "step"
    (axis,) = figures.early_loss(frames.early(found), unit=frames.early_unit(found)).axes
    assert axis.get_xlabel() == "step" and axis.get_ylabel() == "training loss"
    assert [np.size(line.get_xdata()) for line in axis.lines] == [40, 40]
    assert render(["figure5"], found, tmp_path)
