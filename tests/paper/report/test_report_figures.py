from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reporting_synthetic import leave, metrics, opened

from uhn.paper.report import figures, frames
from uhn.paper.report.book import Book
from uhn.paper.report.drawing import save


def members(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for family in ("CNN Mixed Depth", "CNN Mixed Width"):
        for number in range(20):
            rows.append(
                (family, f"m{number}", int(rng.integers(300_000, 400_000)), rng.uniform(0.88, 0.92), number < 10, 0.1)
            )
        rows.append((family, "(10,10,10)", 463_018, 0.3, False, 0.1))
    return pd.DataFrame(rows, columns=["family", "member", "parameters", "accuracy", "seen", "majority"])


def losses() -> pd.DataFrame:
    rows = [
        (option, seed, epoch, scale / epoch + seed / 100 + step / 1000)
        for option, scale in (("with initialisation", 1.0), ("without initialisation", 3.0))
        for seed in (1, 2, 3)
        for epoch in range(1, 7)
        for step in range(4)
    ]
    return pd.DataFrame(rows, columns=["option", "seed", "epoch", "loss"])


def sizes() -> pd.DataFrame:
    rows = []
    for model, target, ha, chunked in (
        ("CNN-20", 269_034, 619_306, 625_480),
        ("CNN-32", 463_018, 635_546, 627_592),
        ("CNN-44", 657_002, 651_786, 629_640),
        ("CNN-56", 850_986, 668_026, 631_688),
    ):
        for method, count in (("direct", target), ("ha", ha), ("chunked", chunked), ("uhn", 612_117)):
            rows.append((model, target, method, count))
    return pd.DataFrame(rows, columns=["model", "target", "method", "parameters"])


def steps() -> pd.DataFrame:
    rows = []
    for method in ("direct", "uhn"):
        for seed in (1, 2):
            for step in range(30):
                rows.append((method, seed, step, 2 / (step + seed), step / 40 if step % 10 == 9 else np.nan))
    return pd.DataFrame(rows, columns=["method", "seed", "step", "loss", "metric"])


def kernels() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(0, scale, (16, 16, 3, 3)) for name, scale in (("Raw", 0.05), ("GFF", 0.3))}


DRAWN: dict[str, Callable[[], Any]] = {
    "families": lambda: figures.families(members()),
    "kernels": lambda: figures.kernels(kernels()),
    "early_loss": lambda: figures.early_loss(losses(), epochs=5, title="Transformer Mixed"),
    "growth": lambda: figures.growth(sizes()),
    "training": lambda: figures.training(steps(), title="mnist-mlp"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_data_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    places, data = (tmp_path / "a", tmp_path / "b" / "c"), frames.pixels(kernels())
    first, second = (save(DRAWN[name](), place, data) for place in places)
    assert [path.suffix for path in first] == [".png", ".svg", ".csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    text = first[1].read_text()
    assert not re.search(r"20[23]\d-\d\d|<dc:date>|/tmp", text)
    assert first[0].read_bytes().startswith(b"\x89PNG")


def test_what_a_picture_shows_can_be_read_from_the_file_beside_it(tmp_path: Path) -> None:
    data = frames.pixels(kernels())
    *_, path = save(DRAWN["kernels"](), tmp_path / "figure4", data)
    read = pd.read_csv(path).set_index(["encoding", "output", "input", "row", "column"])["weight"]
    for title, tensor in kernels().items():
        assert read[title].to_numpy().reshape(tensor.shape) == pytest.approx(tensor, rel=1e-6)


def test_a_family_is_drawn_beside_what_guessing_gives() -> None:
    heights = [line.get_ydata()[0] for axis in figures.families(members()).axes for line in axis.lines]
    assert heights == pytest.approx([10.0, 10.0])


def test_the_largest_member_is_named_if_it_is_unseen() -> None:
    frame = members()
    for axis in figures.families(frame).axes:
        assert [label.get_text() for label in axis.texts] == ["(10,10,10)"]
    frame.loc[frame["member"] == "(10,10,10)", "seen"] = True
    assert all(not axis.texts for axis in figures.families(frame).axes)


def test_epoch_means_average_steps_then_seeds() -> None:
    found = figures.epoch_means(losses()).set_index(["option", "epoch"])
    seeds = [1 / 3 + seed / 100 + np.mean([0, 1, 2, 3]) / 1000 for seed in (1, 2, 3)]
    assert found.loc[("with initialisation", 3), "mean"] == pytest.approx(np.mean(seeds))
    assert found.loc[("with initialisation", 3), "std"] == pytest.approx(np.std(seeds, ddof=1))


def test_kernels_share_one_scale_and_keep_their_place() -> None:
    figure = figures.kernels(kernels(), rows=4)
    images = [axis.images[0] for axis in figure.axes if axis.images]
    assert images[0].get_clim() == images[1].get_clim()
    picture = np.asarray(images[0].get_array(), dtype=float)
    assert picture.shape == (15, 15)
    np.testing.assert_array_equal(picture[4:7, 8:11], kernels()["Raw"][1, 2])


@pytest.mark.parametrize("draw", [figures.families, figures.growth, figures.early_loss, figures.training])
def test_a_frame_without_its_columns_or_rows_is_refused(draw: Callable[[pd.DataFrame], object]) -> None:
    with pytest.raises(ValueError, match="missing"):
        draw(pd.DataFrame({"a": [1]}))
    columns = ["family", "member", "parameters", "accuracy", "seen", "model", "target", "method", "option", "seed"]
    with pytest.raises(ValueError, match="empty frame"):
        draw(pd.DataFrame(columns=[*columns, "epoch", "loss", "step", "metric", "majority"]))


def test_kernels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="got none"):
        figures.kernels({})
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        figures.kernels({"Raw": np.zeros((2, 2))})


def test_frames_come_from_runs(tmp_path: Path) -> None:
    values = {"a": {"value": 0.8, "parameters": 10, "seen": True}, "b": {"value": 0.6, "parameters": 20, "seen": False}}
    leave(
        tmp_path,
        metrics("cnn-mixed-width", "uhn", 1, 0.7, values=values),
        metrics("transformer-mixed", "uhn", 1, 0.7, values=values),
        metrics("transformer-mixed-no-init", "uhn", 1, 0.7, values=values),
        metrics("cifar10-cnn20", "uhn", 1, 0.5),
        metrics("cifar10-cnn20", "direct", 1, 0.5),
    )
    book = opened(tmp_path)
    found = frames.members(book)
    assert list(found["member"]) == ["a", "b", "a", "b"]
    assert list(found["seen"]) == [True, False, True, False]
    assert set(frames.early(book)["option"]) == {"with initialisation", "without initialisation"}
    assert list(frames.sizes(book)["parameters"]) == [118_282, 158_613]
    frame = frames.curves(book, "cifar10-cnn20")
    assert len(frame) == 80 and frame["metric"].notna().sum() == 8
    figures.training(frame)
    assert frames.members(Book("quick", {})).empty
    assert frames.early(Book("quick", {})).empty
