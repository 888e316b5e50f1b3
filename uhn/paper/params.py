"""params.yaml as typed data: what may stand in it, and how its layers are laid over each other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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
        fields: dict[str, Any] = {}
        for name, info in self.model.model_fields.items():
            annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
            fields[name] = (annotation | None, None)
        partial = create_model(f"Some{self.model.__name__}", __base__=Settings, __doc__=self.model.__doc__, **fields)
        as_written = partial.model_dump
        return core_schema.no_info_after_validator_function(
            lambda value: as_written(value, exclude_unset=True),
            handler.generate_schema(partial),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


class Overlay(Settings):
    """Some settings of a run, laid over others. A budget in epochs replaces one in steps, and the reverse."""

    data: Annotated[dict[str, Any], Some(DataSettings)] | None = None
    generator: Annotated[dict[str, Any], Some(GeneratorSettings)] | None = None
    options: Options | None = None
    init: Annotated[dict[str, Any], Some(InitSettings)] | None = None
    train: Annotated[dict[str, Any], Some(TrainSettings)] | None = None
    compute: Annotated[dict[str, Any], Some(ComputeSettings)] | None = None
    precision: Precision | None = None
    validate_split: bool | None = None
    evaluate_every: Count | None = None
    checkpoint_seconds: Rate | None = None
    members: Count | None = None

    def layer(self) -> dict[str, Any]:
        """Return only what was written, ``null`` included."""
        return {name: getattr(self, name) for name in Overlay.model_fields if name in self.model_fields_set}


class ProfileOverlay(Overlay):
    """What a profile changes for some experiments. A base model is not among it.

    Attributes:
        seeds: the first so many of the experiment's seeds.
    """

    seeds: Count | None = None


class ExperimentEntry(Overlay):
    """A task, a base model, and by which methods it is trained.

    Attributes:
        like: another experiment whose entry this one starts from.
        tasks: the task, or the tasks of a multi-task experiment.
        model_set: sampled family that it trains on.
        depth: generated hypernetworks between root and model.
        seeds: name of a list of seeds.
        job: experiments of the same job may share one process.
        methods: what each method adds to the settings.
    """

    like: str | None = None
    tasks: Annotated[tuple[TaskSettings, ...], Field(strict=False)] = ()
    model_set: str | None = None
    depth: Depth = 0
    seeds: str = "default"
    job: Name | None = None
    methods: dict[Method, Overlay] = Field(default_factory=dict)


class SweepEntry(Settings):
    """How the hyperparameters of a run are searched (B.7): grids, budgets, seeds (:mod:`uhn.paper.sweeps.stages`).

    Attributes:
        first: training budget of the first two stages (T0), needed if there is an initialisation to search.
        lr: learning rates of the training phase.
        budget: training budgets, in
        unit: epochs or steps; that of the experiment's own budget if none.
        init_lr: learning rates of the initialisation phase.
        init_steps: its steps.
        around: factors that make lr and budget from the paper's values, where its grids are lost ("our grid").
        seeds: seeds of every trial, the first of the experiment's list.
        more_seeds: further seeds of the best trials, in the last stage; without them there is no such stage.
        top: how many trials the last stage compares.
        guardrails: by dataset, the worst validation value that a selected trial may have.
    """

    first: Count | None = None
    lr: Annotated[tuple[Rate, ...], Field(max_length=50, strict=False)] = ()
    budget: Annotated[tuple[Count, ...], Field(max_length=50, strict=False)] = ()
    unit: Literal["epochs", "steps"] | None = None
    init_lr: Annotated[tuple[Rate, ...], Field(max_length=50, strict=False)] = ()
    init_steps: Annotated[tuple[Count, ...], Field(max_length=50, strict=False)] = ()
    around: Annotated[tuple[Rate, ...], Field(max_length=50, strict=False)] = ()
    seeds: Count = 1
    more_seeds: Steps = 2
    top: Count = 3
    guardrails: dict[str, Rate] = Field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """Return only what was written."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ProfileEntry(Settings):
    """A profile: which experiments are run, and with what reductions.

    Attributes:
        seeds: the first so many seeds of every experiment, all if none.
        tables: by table (:mod:`uhn.paper.tables`), those of its experiments that are run, or ``all``.
        grouping: what one job carries: a run, the runs of a row, or those of all rows with the same ``job``.
        code_changes: whether a change of the code a run used runs it again, or only marks it in the tables.
        hyperparameters: whether final training takes the paper's (with the changes below) or what the profile's own
            sweeps have selected, where there is such a sweep.
        sweeps: changes of the sweeps, as in the section of that name.
        defaults: changes for every run.
        overrides: changes by experiment, ``experiment/method`` or pattern (``kan-*/uhn``); later ones win.
    """

    seeds: Count | None = None
    tables: dict[str, Literal["all"] | Annotated[tuple[str, ...], Field(strict=False)]]
    grouping: Literal["run", "row", "job"] = "run"
    code_changes: Literal["rerun", "mark"] = "rerun"
    hyperparameters: Literal["paper", "selected"] = "paper"
    sweeps: dict[str, SweepEntry] = Field(default_factory=dict)
    defaults: ProfileOverlay = ProfileOverlay()
    overrides: dict[str, ProfileOverlay] = Field(default_factory=dict)


class Params(Settings):
    """The whole of params.yaml.

    Attributes:
        sweeps: by ``experiment/method`` or pattern, how its hyperparameters are searched; later ones win.
    """

    seeds: dict[Name, Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000, strict=False), Once]]
    defaults: Overlay
    experiments: dict[Name, ExperimentEntry]
    sweeps: dict[str, SweepEntry] = Field(default_factory=dict)
    profiles: dict[Name, ProfileEntry]


def lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the keys of ``above`` in their place, mapping by mapping."""
    merged = dict(below)
    for unit, other in (("epochs", "steps"), ("steps", "epochs")):
        if unit in above and other not in above and "epochs" in below | above:
            merged.pop(other, None)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = lay_over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
