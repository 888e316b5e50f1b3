"""Names: the one pattern for those in params.yaml, and :class:`RunId`, what the name of a run says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from uhn.paper.reading import ConfigError, shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""What becomes folders, rules, wildcards and words of a shell's command line."""

FOLDER = "sweeps"
"""First part of the names of trials, and the folder of the stages' outcomes."""

RUN = re.compile(rf"({FOLDER}/)?(?!{FOLDER}/)([^/]+)/([^/]+)/(?(1)([^/]+)/([^/]+)/)seed-(0|[1-9][0-9]{{0,9}})")


@dataclass(frozen=True)
class RunId:
    """What a run is: a seed of an experiment under a weight source; of one trial of a stage, if a sweep makes it.

    As text it is the run's name and, below a folder of results, its place: ``<experiment>/<source>/seed-<seed>``, or
    ``sweeps/<experiment>/<source>/<stage>/<trial>/seed-<seed>``.
    """

    experiment: str
    source: str
    seed: int
    stage: str = ""
    trial: str = ""

    @classmethod
    def parse(cls, name: str) -> RunId:
        """Return the run that ``name`` names, whether or not there is one. Raises :class:`ConfigError` for no name."""
        found = RUN.fullmatch(name)
        if found is None:
            raise ConfigError(
                f"no run {shown(name)}: wanted <experiment>/<source>/seed-<number>, or the name of a trial"
            )
        _, experiment, source, stage, trial, seed = found.groups("")
        return cls(experiment, source, int(seed), stage, trial)

    @property
    def group(self) -> str:
        """Name of all seeds of its experiment and source."""
        return group_name(self.experiment, self.source)

    def __str__(self) -> str:
        seed = f"seed-{self.seed}"
        return "/".join((FOLDER, self.group, self.stage, self.trial, seed) if self.trial else (self.group, seed))


def group_name(experiment: str, source: str) -> str:
    """Name of the runs of an experiment under a source, and of the sweep that searches for it."""
    return f"{experiment}/{source}"


def parse_group(name: str) -> tuple[str, str]:
    """Return the experiment and the source that ``name`` names, the source empty if it is an experiment's alone."""
    experiment, _, source = name.partition("/")
    return experiment, source


def is_trial(name: str) -> bool:
    """Whether a run's name, or a pattern for such names, is of trials."""
    return name.startswith(f"{FOLDER}/")


def checked_name(name: str) -> str:
    """Return ``name``. Raises ``ValueError`` unless it may be one."""
    if not NAME.fullmatch(name):
        wanted = "wanted a name of at most 100 letters, digits, - and _, the first a letter or digit"
        raise ValueError(f"{wanted}, got {shown(name)}")
    return name


Name = Annotated[str, AfterValidator(checked_name)]
"""Name of a profile, an experiment, a job, a table or a list of seeds in params.yaml."""


def told_apart(where: str, names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` for two names that would be one to rules (- and _) or to some disks (a and A)."""
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = seen.setdefault(name.replace("-", "_").lower(), name)
        if other != name:
            raise ConfigError(f"{where}.{name}: wanted more than case, - and _ to tell it from {other}")
