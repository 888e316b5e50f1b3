"""params.yaml as typed data: what may stand in it, and how overrides are merged."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from uhn.paper.names import Name
from uhn.paper.reading import shown
from uhn.paper.settings import (
    ComputeSettings,
    Count,
    DataSettings,
    Depth,
    GeneratorSettings,
    InitSettings,
    Method,
    Options,
    Precision,
    Rate,
    Seed,
    Settings,
    Steps,
    TaskSettings,
    TrainSettings,
)


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"wanted every value once, got {shown(twice[0])} again")
    return values


Once = AfterValidator(_once)


class Some:
    """Marks a mapping that may hold any of the settings of ``model``; what holds between keys is checked in a run."""

    def __init__(self, model: type[Settings]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        partial = _partial(self.model)
        as_written = partial.model_dump
        return core_schema.no_info_after_validator_function(
            lambda value: as_written(value, exclude_unset=True),
            handler.generate_schema(partial),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


@cache
def _partial(model: type[Settings]) -> type[Settings]:
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        fields[name] = (annotation | None, None)
    return create_model(f"Some{model.__name__}", __base__=Settings, __doc__=model.__doc__, **fields)


class Override(Settings):
    """Some settings of a run, merged over others. A key means what it means in :class:`RunSettings`."""

    data: Annotated[dict[str, Any], Some(DataSettings)] | None = None
    generator: Annotated[dict[str, Any], Some(GeneratorSettings)] | None = None
    options: Options | None = None
    init: Annotated[dict[str, Any], Some(InitSettings)] | None = None
    train: Annotated[dict[str, Any], Some(TrainSettings)] | None = None
    compute: Annotated[dict[str, Any], Some(ComputeSettings)] | None = None
    precision: Precision | None = None
    validate_split: bool | None = None
    path_only: bool | None = None
    evaluate_every: Count | None = None
    checkpoint_seconds: Rate | None = None
    members: Count | None = None

    def written(self) -> dict[str, Any]:
        """Return only what was written, ``null`` included."""
        given = self.model_fields_set
        return {name: getattr(self, name) for name in Override.model_fields if name in given}


class ProfileOverride(Override):
    """What a profile changes for some experiments. A base model is not among it."""

    seeds: Count | None = Field(default=None, description="the first so many of the experiment's seeds")
    probabilities: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None, description="by dataset, how often a multi-task run draws it"
    )


class ExperimentEntry(Override):
    """A task, a base model, and the sources of weights that are tried on it."""

    like: str | None = Field(default=None, description="another experiment whose entry this one starts from")
    tasks: tuple[TaskSettings, ...] = Field(
        default=(), strict=False, description="the task, or the tasks of a multi-task experiment"
    )
    model_set: str | None = Field(default=None, description="sampled family that it trains on")
    depth: Depth = Field(default=0, description="generated hypernetworks between root and model")
    seeds: str = Field(default="default", description="name of a list of seeds")
    job: Name | None = Field(default=None, description="experiments of the same job may share one process")
    methods: dict[Method, Override] = Field(
        default_factory=dict, description="by source of weights, what it adds to the settings"
    )


Value = TypeVar("Value")
Grid = Annotated[tuple[Value, ...], Field(max_length=50, strict=False)]


class SweepEntry(Settings):
    """How the hyperparameters of a run are searched (B.7): grids, budgets, seeds."""  # see uhn.paper.sweeps.stages

    first: Count | None = Field(
        default=None,
        description="training budget of the first two stages (T0), needed if there is an initialisation to search",
    )
    lr: Grid[Rate] = Field(default=(), description="learning rates of the training phase")
    budget: Grid[Count] = Field(default=(), description="training budgets, in `unit`")
    unit: Literal["epochs", "steps"] | None = Field(
        default=None, description="of the budgets; that of the experiment's own budget if none"
    )
    init_lr: Grid[Rate] = Field(default=(), description="learning rates of the initialisation phase")
    init_steps: Grid[Count] = Field(default=(), description="steps of the initialisation phase")
    around: Grid[Rate] = Field(
        default=(),
        description="factors that make `lr` and `budget` from the paper's values, where its grids are lost "
        '("our grid")',
    )
    seeds: Count = Field(default=1, description="seeds of every trial, the first of the experiment's list")
    more_seeds: Steps = Field(
        default=2,
        description="further seeds of the best trials, in the last stage; without them there is no such stage",
    )
    top: Count = Field(default=3, description="how many trials the last stage compares")
    guardrails: dict[str, Rate] = Field(
        default_factory=dict, description="by dataset, the worst validation value that a selected trial may have"
    )

    def written(self) -> dict[str, Any]:
        """Return only what was written."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ProfileEntry(Settings):
    """A profile: which experiments are run, and with what reductions."""

    seeds: Count | None = Field(default=None, description="the first so many seeds of every experiment, all if none")
    tables: dict[str, Literal["all"] | Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        description="by table (`uhn.paper.tables`), those of its experiments that are run, or `all`"
    )
    grouping: Literal["run", "row", "job"] = Field(
        default="run",
        description="what one job carries: a run, the runs of a row, or those of all rows with the same `job`",
    )
    code_changes: Literal["rerun", "mark"] = Field(
        default="rerun",
        description="whether a change of the code a run used runs it again, or only marks it in the tables",
    )
    hyperparameters: Literal["paper", "selected"] = Field(
        default="paper",
        description="whether final training takes the paper's (with the changes below) or what the profile's own "
        "sweeps have selected, where there is such a sweep",
    )
    sweeps: dict[str, SweepEntry] = Field(
        default_factory=dict, description="changes of the sweeps, as in the section of that name"
    )
    defaults: ProfileOverride = Field(default=ProfileOverride(), description="changes for every run")
    overrides: dict[str, ProfileOverride] = Field(
        default_factory=dict,
        description="changes by experiment, `experiment/method` or pattern (`kan-*/uhn`); later ones win",
    )


class Params(Settings):
    """The whole of params.yaml."""

    seeds: dict[Name, Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000, strict=False), Once]] = Field(
        description="lists of seeds by name"
    )
    defaults: Override = Field(description="what every run starts from")
    experiments: dict[Name, ExperimentEntry] = Field(description="by name, what is trained")
    sweeps: dict[str, SweepEntry] = Field(
        default_factory=dict,
        description="by `experiment/method` or pattern, how its hyperparameters are searched; later ones win",
    )
    profiles: dict[Name, ProfileEntry] = Field(description="by name, which experiments are run, and how reduced")


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the keys of ``above`` in their place, mapping by mapping.

    A budget in epochs replaces one in steps, and the reverse.
    """
    merged = dict(below)
    for unit, other in (("epochs", "steps"), ("steps", "epochs")):
        if unit in above and other not in above and "epochs" in below | above:
            merged.pop(other, None)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
