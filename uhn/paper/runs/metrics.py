"""What ``metrics.json`` holds, as types: whatever reads a record asks here, so that a broken one is found at the file.

Keys that nothing reads may be anything, and a record of older settings lacks some: what is there has its type.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from uhn.paper.names import RunId
from uhn.paper.reading import explain
from uhn.paper.settings import RunSettings, Settings
from uhn.records import read_record

Number = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0, le=10**18)]
Share = Annotated[float, Field(ge=0, le=1)]
Metric = Literal["accuracy", "rmse"]


class Part(BaseModel):
    """Part of a record."""

    model_config = ConfigDict(strict=True, extra="ignore")


@cache
def partial(settings: type[Settings]) -> type[BaseModel]:
    """The settings of a record: every key may be missing, and one that is there has the type of today's setting."""
    fields: dict[str, Any] = {}
    for name, info in settings.model_fields.items():
        kind = next((k for k in (info.annotation, *get_args(info.annotation)) if _is_settings(k)), None)
        word = str if get_origin(info.annotation) is Literal else info.annotation  # other code knew other choices
        inner: Any = partial(kind) if kind else word
        several = kind is not None and "tuple" in str(info.annotation)
        fields[name] = ((list[inner] if several else inner) | None, None)
    return create_model(f"Recorded{settings.__name__}", __base__=Part, **fields)


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


class Scored(Part):
    """A score and what it is held against."""

    value: Number | None
    metric: Metric
    target_std: Number | None = None
    chance: Share | None = None
    scored_rows: Whole | None = None
    majority: Share | None = None

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.metric == "accuracy" and self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"value: an accuracy lies in [0, 1], got {self.value!r}")
        return self


class Member(Scored):
    """The score of one task, or of one model of a set."""

    value: Number
    parameters: Whole
    seen: bool | None


class Data(Part):
    """Where a run's data came from."""

    name: str
    fingerprint: str
    kind: Literal["real", "subset", "stand-in"]
    detail: str
    rows: dict[str, Whole]


class Counts(Part):
    """Numbers of parameters."""

    target: Whole
    trainable: Whole
    frozen: Whole


class Budget(Part):
    """Steps that were made."""

    init_steps: Whole
    train_steps: Whole


class Code(Part):
    """The code that made a result."""

    commit: str | None
    dirty: bool | None
    digest: str


class Record(Scored):
    """The whole file."""

    schema_: Annotated[Literal[1, 2], Field(alias="schema")]
    name: str
    experiment: str
    method: str
    seed: Whole
    status: Literal["finished", "diverged"]
    validation: Number | None = None
    train_loss: Number | None = None
    identity: str
    settings: partial(RunSettings)  # type: ignore[valid-type]
    settings_hash: str
    data: Annotated[list[Data], Field(min_length=1)]
    parameters: Counts
    budget: Budget
    code: Code
    hardware: dict[str, str | int | float | None]
    software: dict[str, str | None] = Field(default_factory=dict)
    values: dict[str, Member] = Field(default_factory=dict)
    taken_from: str | None = None
    wall_time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    resumed: Whole = 0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.status == "finished" and not self.values and self.value is None and self.validation is None:
            raise ValueError("value: a finished run has one, got none")
        own, named = RunId(self.experiment, self.method, self.seed), RunId.parse(self.name)
        if named != replace(own, stage=named.stage, trial=named.trial):
            raise ValueError(f"name: wanted {own} or a trial of it, got {self.name}")
        return self


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a run's record.

    Raises:
        ValueError: naming the file, and what in it was wanted and what was got.
    """
    return checked(read_record(path), path)


def checked(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the record of the file ``path``. Raises as :func:`read_metrics`."""
    try:
        Record.model_validate(record)
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error)}") from None
    return record
