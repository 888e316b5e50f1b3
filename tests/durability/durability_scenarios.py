"""The tiny runs that are killed, and the moments at which each of them is: read by the driver only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import uhn.models.sets as modelsets
import uhn.paper.runs.build as building
import uhn.tasks.load as loading
from uhn.models import zoo
from uhn.models.feedforward import cnn, mlp
from uhn.models.graph import gcn
from uhn.models.hypernet import generated_uhn
from uhn.models.spec import ModelSpec
from uhn.paper.settings import RunSettings
from uhn.tasks import DATASETS
from uhn.tasks.images import ImageDataset
from uhn.tasks.receipts import GENERATED, Receipt
from uhn.vocabulary import DatasetType

INIT, EPOCHS = 5, 9
MANY_STEPS = 9

Moments = tuple[tuple[str, int], ...]
"""Each kills at the n-th occurrence of an event; each child goes on where the one before it was killed."""

TO_THE_END: Moments = (
    # initialisation
    ("replace", 1),
    ("step", 1),
    ("write", 2),
    ("fsync", 3),
    ("replace", 3),
    ("renamed", 3),
    ("load", 1),
    ("step", 3),
    # training
    ("step", 1),
    ("replace", 2),
    ("renamed", 2),
    ("step", 2),
    ("write", 3),
    ("fsync", 5),
    ("step", 2),
    # validation at the end of an epoch: before it, and in its midst
    ("evaluate", 1),
    ("forward", 1),
    ("renamed", 5),
    # all steps done: the last evaluation, then each file of the results
    ("evaluate", 1),
    ("write", 2),
    ("replace", 2),
    ("renamed", 2),
    ("replace", 3),
    ("renamed", 3),
    ("replace", 4),
    ("unlink", 1),
)
SHORT: Moments = (("step", 3), ("replace", 4), ("write", 4), ("evaluate", 1), ("forward", 1), ("replace", 3))
MANY: Moments = (
    # initialisation: of a chain first its generated hypernetwork, then the model
    ("step", 2),
    ("replace", 3),
    ("step", 3),
    # training, and its validations: between two of the members that they score
    ("write", 3),
    ("replace", 3),
    ("step", 2),
    ("evaluate", 1),
    ("evaluate", 2),
    ("step", 4),
    ("write", 4),
    ("renamed", 3),
    # all steps done
    ("forward", 1),
    ("replace", 3),
    ("renamed", 4),
)

EVERY: dict[str, Any] = {"seed": 3, "checkpoint_seconds": 1e-9, "compute": {"device": "cpu", "threads": 1}}
GENERATOR = {"hidden": 8, "blocks": 1, "index_frequencies": 8}
WITH_STRUCTURE = GENERATOR | {"structure": True, "structure_frequencies": 4}
MODELS = {"mnist": "mlp-mnist", "cifar10": "cnn20-cifar10", "kv": "kan-g5-kv", "cora": "gcn-cora"}
SMALL: dict[str, ModelSpec] = {
    "mlp-mnist": mlp((784, 12, 10)),
    "cnn20-cifar10": cnn((1, 1, 1, 1), (4, 4, 4, 8)),
    "gcn-cora": gcn(8, 3, dataset=DatasetType.CORA),
    "uhn-generated": generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=8, index_layers=2),
}
SIZES = {"ha": {"embedding": 8, "tile": 4}, "chunked": {"embedding": 8, "hidden": 8, "chunk": 60}}
TOY_SET = modelsets.SampledFamily(
    seed=5,
    size=7,
    each=2,
    draw=lambda draw: (draw(1, 3), 4 * draw(1, 4)),
    build=lambda architecture: cnn((1, 1, architecture[0], 1), (4, 4, 4, architecture[1])),
    corners=((1, 4), (3, 16)),
)


def prepare() -> None:
    """Make models, sets and data small, in this process: generated data, once, whatever there is on this machine."""
    ImageDataset._images = cache(ImageDataset._images)  # type: ignore[method-assign, assignment]
    building.zoo = lambda name: SMALL.get(name) or zoo(name)
    modelsets.SETS["toy"] = TOY_SET  # type: ignore[index]
    loading._obtained = lambda name, *args: Receipt(name, GENERATED, "stand-in", "generated")
    small = replace(DATASETS["cora"], nodes=1_600, edges=2_000, features=8, classes=3, words=3.0)  # type: ignore[call-arg]
    DATASETS["cora"] = small  # type: ignore[index]


def settings(method: str, dataset: str, **other: Any) -> RunSettings:
    """A run of a few steps: three mini-batches an epoch on images, full batches on a function."""
    images = dataset != "kv"
    data: dict[str, Any] = {
        "name": f"{dataset}/{method}/seed-3",
        "experiment": dataset,
        "method": method,
        "tasks": [{"dataset": dataset, "model": MODELS[dataset]}],
        "train": {"lr": 0.01, "warmup": 1, "batch_size": 16, "epochs": EPOCHS // 3 if images else EPOCHS},
    }
    if images:
        data |= {"data": {"train_rows": 40, "test_rows": 20, "stand_in": True}}
        data |= {"validate_split": True, "evaluate_every": 1}
    if method == "uhn":
        data |= {"generator": GENERATOR, "init": {"steps": INIT, "lr": 0.001}}
    data |= {"options": SIZES.get(method, {})}
    return RunSettings.model_validate(EVERY | data | other)


def many(name: str, dataset: str = "mnist", **other: Any) -> RunSettings:
    """A run that trains one generator for several models, tasks or levels, counted in steps."""
    train = {"lr": 0.01, "warmup": 1, "batch_size": 16, "steps": MANY_STEPS, "clip": 1.0}
    return settings(
        "uhn", dataset, name=f"{name}/uhn/seed-3", experiment=name, train=train, generator=WITH_STRUCTURE,
        evaluate_every=3, **other,
    )  # fmt: skip


def long_training(dataset: str) -> dict[str, Any]:
    """As many steps as a run with an initialisation phase has in all."""
    steps = INIT + EPOCHS
    return {"lr": 0.01, "warmup": 1, "batch_size": 16} | ({"epochs": steps} if dataset == "kv" else {"steps": steps})


def scenarios() -> dict[str, tuple[RunSettings, Moments]]:
    """What is killed when."""
    found = {}
    for method, dataset, plan in (
        ("direct", "mnist", TO_THE_END),
        ("uhn", "mnist", TO_THE_END),
        ("direct", "kv", SHORT),
        ("uhn", "kv", SHORT),
        ("ha", "cifar10", SHORT),
        ("chunked", "kv", SHORT),
    ):
        if method != "uhn":  # nothing to initialise: those moments would come during training, past its end
            plan = plan[:6] + plan[8:]
        other = {} if method == "uhn" else {"train": long_training(dataset)}
        if (method, dataset) == ("uhn", "mnist"):
            other |= {"score": "validation"}
        found[f"{method}-{dataset}"] = settings(method, dataset, **other), plan
    wide = GENERATOR | {"hidden": 16}  # a width that the compiled kernels take
    found["fused-mnist"] = (
        settings("uhn", "mnist", name="wide/uhn/seed-3", experiment="wide", generator=wide),
        SHORT,
    )
    shares = {"mnist": 0.4, "kv": 0.3, "cora": 0.3}
    tasks = [{"dataset": name, "model": MODELS[name], "probability": share} for name, share in shares.items()]
    found["set"] = many("set", "cifar10", model_set="toy", members=2), MANY
    found["tasks"] = many("tasks", tasks=tasks), MANY
    found["chain"] = many("chain", "kv", depth=1, validate_split=True), MANY
    return found
