"""The settings of one run, fully resolved: what is trained, on what, by which source, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from uhn.descriptors.encodings import ENCODINGS
from uhn.sources import SOURCES, Chain, OneSpecSource, UniversalHypernetwork, WeightSource

METHODS = tuple(kind for kind in SOURCES if kind != Chain.kind)
"""Kinds of weight sources that a run can name; a chain is a universal hypernetwork with a depth."""


def known_method(name: str) -> str:
    """Return ``name``. Raises ``ValueError`` if no weight source is called so."""
    if name not in METHODS:
        raise ValueError(f"wanted one of {', '.join(METHODS)}, got {name!r}")
    return name


def takes_generator(method: str) -> bool:
    """Whether a source's settings are the section ``generator``; those of any other are its ``options``."""
    return issubclass(SOURCES[method], UniversalHypernetwork)


@lru_cache(maxsize=64)  # reading a signature takes longer than checking all settings of a run
def _defaults(method: str) -> Mapping[str, Any]:
    return MappingProxyType(SOURCES[method].default_settings())


Method = Annotated[str, AfterValidator(known_method)]
"""Name of a weight source, a key of :data:`uhn.sources.SOURCES`."""

Precision = Literal["auto", "fp32", "bf16", "fp16"]

Count = Annotated[int, Field(ge=1, le=10**9)]
"""At least one of something."""

Steps = Annotated[int, Field(ge=0, le=10**9)]
"""A number of steps, zero allowed."""

Width = Annotated[int, Field(ge=1, le=2**16)]
"""Size of a layer or of an encoding."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""Seed of a run, as NumPy's generators take it."""

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A learning rate or another positive, finite number."""


Depth = Annotated[int, Field(ge=0, le=16)]
"""Generated hypernetworks between a root and a model."""


Options = dict[str, bool | int | float | str]
"""Keyword arguments of a weight source's class."""


class Settings(BaseModel):
    """Frozen settings that know all their keys: an unknown key is an error, and a value keeps its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


def setting_keys(of: type[Settings] = Settings) -> set[str]:
    """Every key of every kind of settings."""
    return set(of.model_fields).union(*(setting_keys(kind) for kind in of.__subclasses__()))


def _papers_encoding(name: str) -> str:
    """One that runs may have. The hash grid is the library's alone: neither stacks nor the paper's tables know it."""
    choices = [known for known in ENCODINGS if known != "hash"]
    if name not in choices:
        raise ValueError(f"encoding must be one of {', '.join(choices)}, got {name!r}")
    return name


class TaskSettings(Settings):
    """One task of a run."""

    dataset: str = Field(description="name of the dataset")
    model: str = Field(description="name of the base model")
    probability: float = Field(
        default=1.0, gt=0, le=1, description="how often a multi-task run draws it; the tasks of a run sum to 1"
    )


class DataSettings(Settings):
    """How much of the data a run sees."""

    train_rows: Count | None = Field(default=None, description="at most this many training rows, all if none")
    test_rows: Count | None = Field(default=None, description="at most this many test rows, all if none")
    stand_in: bool = Field(
        default=False,
        description="whether a subset or a synthetic stand-in may take the place of unavailable data",
    )


class GeneratorSettings(Settings):
    """Size and encoding of the hypernetwork (section 4.1 of the paper)."""

    hidden: Width = Field(default=128, description="width h of the index branch")
    blocks: int = Field(default=2, ge=0, le=100, description="residual blocks B")
    index_frequencies: Width = Field(default=2048, description="frequencies m of the index encoding")
    structure_frequencies: Width = Field(default=32, description="frequencies of the structure encoding")
    structure: bool = Field(default=False, description="whether the task-structure encoder is there")
    encoding: Annotated[str, AfterValidator(_papers_encoding)] = Field(
        default="gff", description="Gaussian Fourier features, positional encoding or the raw normalised index"
    )
    scale: float = Field(
        default=100.0,
        gt=0,
        le=1e6,
        description="standard deviation of the Fourier frequencies (positional: the highest frequency)",
    )

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.structure and self.structure_frequencies % 2:  # two features each, shared among four heads
            got = self.structure_frequencies
            raise ValueError(f"structure_frequencies: wanted an even number for the structure encoder, got {got}")
        return self


class InitSettings(Settings):
    """The initialisation phase (Eq 4); without steps there is none."""

    steps: Steps = Field(default=0, description="steps in all; recursion shares them among its levels")
    lr: Rate | None = Field(default=None, description="learning rate, needed if there are steps")
    warmup: Steps = Field(default=0, description="warm-up steps, per level")

    @model_validator(mode="after")
    def _rate(self) -> Self:
        if self.steps and self.lr is None:
            raise ValueError(f"lr: wanted a learning rate for {self.steps} steps, got none")
        return self


class TrainSettings(Settings):
    """The training phase."""

    lr: Rate = Field(description="highest learning rate")
    epochs: Count | None = Field(default=None, description="budget in epochs; exactly one of `epochs` and `steps`")
    steps: Count | None = Field(default=None, description="budget in steps; exactly one of `epochs` and `steps`")
    warmup: Steps = Field(default=5, description="warm-up, in the budget's unit")
    batch_size: Count = Field(default=256, description="rows per step; full-batch tasks (graphs, functions) ignore it")
    clip: Rate | None = Field(default=None, description="largest norm of the gradient, no clipping if none")

    @model_validator(mode="after")
    def _budget(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(f"wanted exactly one of epochs and steps, got epochs={self.epochs} and steps={self.steps}")
        return self


class ComputeSettings(Settings):
    """Where a run computes. The number of threads can change the last bits, so it belongs to the identity."""

    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto takes a GPU if there is one")
    threads: int = Field(default=2, ge=1, le=256, description="torch threads on a CPU")
    kernel: Literal["auto", "eager", "fused"] = Field(
        default="auto",
        description="how a generator is evaluated: auto takes compiled kernels where they can be built (in C on a CPU, "
        "in Triton on a GPU in bf16), eager torch alone, fused refuses to do without. A result stands whichever way it "
        "was made, and says which; progress is resumed the same way only",
    )
    cache_mib: int = Field(
        default=448, ge=0, le=2**20, description="MiB of a generator's plans that are kept from step to step"
    )
    stack: int = Field(
        default=1,
        ge=1,
        le=64,
        description="runs of one command or job that differ in their seed alone and are trained at once, as one "
        "batched program, at most so many; models with dropout, graphs and texts are trained one by one. Last bits "
        "differ; a result says how it was made",
    )


MOST_PATH_STEPS = 20
"""What a run may train whose number counts for nothing: more would be learning."""


RETIRED = ("paper", "hyperparameters")
"""What older records hold among a run's settings for captions only."""


class RunSettings(Settings):
    """Everything that decides the result of one run."""

    name: str = Field(description="`<experiment>/<method>/seed-<seed>`")
    experiment: str = Field(description="its entry in params.yaml")
    method: Method = Field(description="where the weights come from")
    seed: Seed = Field(description="seed of every random draw")
    tasks: tuple[TaskSettings, ...] = Field(
        min_length=1, strict=False, description="the task, or the tasks of a multi-task run"
    )
    model_set: str | None = Field(
        default=None,
        description="sampled family of models that it trains on, if any; the task's model is then unused",
    )
    members: Count | None = Field(
        default=None, description="score only the first so many members of each split of the set, all if none"
    )
    validate_split: bool = Field(
        default=False,
        description="keep a validation split back, train on the rest, and show the curve on it",
    )
    score: Literal["test", "validation"] = Field(
        default="test",
        description="what the run is scored on at its end. A sweep's trial is scored on the validation split and never "
        "reads a test row",
    )
    data: DataSettings = Field(default=DataSettings(), description="limits on the data")
    generator: GeneratorSettings | None = Field(
        default=None, description="the hypernetwork; none for a source that has options"
    )
    options: Options = Field(
        default_factory=dict,
        description="settings of any other source, keyword arguments of its class (HA's `embedding` and `tile`)",
    )
    depth: Depth = Field(
        default=0, description="generated hypernetworks between the root and the model (K of section 4.5)"
    )
    init: InitSettings = Field(default=InitSettings(), description="the initialisation phase")
    train: TrainSettings = Field(description="the training phase")
    precision: Precision = Field(
        default="auto",
        description="arithmetic of the generator's MLP and the base model: auto is bf16 on a GPU and fp32 elsewhere; a "
        "result stands as it was made, and says how",
    )
    compute: ComputeSettings = Field(default=ComputeSettings(), description="device, threads, kernel, cache and stacks")
    path_only: bool = Field(
        default=False,
        description="whether the run only shows that its path works: tables say that it ran and print no number",
    )
    evaluate_every: Count | None = Field(
        default=None, description="epochs or steps between two evaluations on the validation split, none if none"
    )
    checkpoint_seconds: Rate = Field(default=60.0, description="time between two progress files")

    @model_validator(mode="before")
    @classmethod
    def _whole_options(cls, data: Any) -> Any:
        """Every option of the source stands in the settings, those that nobody wrote with the class's default."""
        match data:
            case {"method": str(method)} if method in METHODS and not takes_generator(method):
                return data | {"options": {**_defaults(method), **(data.get("options") or {})}}
        return data

    @classmethod
    def recorded(cls, settings: Mapping[str, Any]) -> Self:
        """Return the settings that a run's record holds; a key that an older one lacks has its default.

        Raises:
            ValidationError: for settings that today's code does not know.
        """
        found = {"precision": "fp32"} | {key: value for key, value in settings.items() if key not in RETIRED}
        if sizes := found.pop("baseline", None):  # what options were called for a day
            found["options"] = {key: value for key, value in sizes.items() if value is not None}
        return cls.model_validate(found)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if unknown := [name for name in self.options if name not in _defaults(self.method)]:
            raise ValueError(f"options: {self.method} has no setting {', '.join(unknown)}")
        if self.options and takes_generator(self.method):
            raise ValueError(f"options: wanted none for {self.method}, whose settings are generator")
        if takes_generator(self.method) == (self.generator is None):
            got = "none" if self.generator is None else "one"
            raise ValueError(f"generator: wanted {'one' if got == 'none' else 'none'} for {self.method}, got {got}")
        if abs(sum(task.probability for task in self.tasks) - 1) > 1e-9:
            raise ValueError(f"tasks: wanted probabilities that sum to 1, got {sum(t.probability for t in self.tasks)}")
        if self.score == "validation" and not self.validate_split:
            raise ValueError("score: wanted test where no validation split is kept back, got validation")
        if self.path_only and not 1 <= (self.train.steps or 0) <= MOST_PATH_STEPS:
            got = f"{self.train.epochs} epochs" if self.train.steps is None else f"{self.train.steps} steps"
            raise ValueError(f"path_only: wanted a training of at most {MOST_PATH_STEPS} steps, got {got}")
        if self.depth and not takes_generator(self.method):
            raise ValueError(f"depth: wanted 0 for {self.method}, got {self.depth}")
        return self


def source_class(run: RunSettings) -> type[WeightSource]:
    """The class of the run's weight source."""
    return Chain if run.depth else SOURCES[run.method]


def serves_one(method: str) -> bool:
    """Whether a source holds the weights of a single model."""
    return issubclass(SOURCES[method], OneSpecSource)


class WorkflowOptions(Settings):
    """What ``snakemake --config`` may set."""

    profile: str = Field(default="quick", description="profile of the settings file")
    params: str = Field(default="params.yaml", description="the settings file")
    gpus: int = Field(default=0, ge=0, le=64, description="GPUs that a job which trains asks the executor for")
    container: str = Field(default="uhn.sif", description="image in which `--sdm apptainer` runs the jobs")
