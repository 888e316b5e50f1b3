"""What a number of a table is: :class:`CellKey`."""

from __future__ import annotations

from dataclasses import dataclass

from uhn.paper.names import group_name


@dataclass(frozen=True)
class CellKey:
    """What a number rests on: the seeds of one experiment under one weight source, and what of them is shown.

    Args:
        experiment: its name in params.yaml.
        source: weight source.
        pick: ``"value"``, a member set ``"seen"`` or ``"unseen"``, or ``"task:<dataset>"``.
        metric: ``"accuracy"`` or ``"rmse"``.
    """

    experiment: str
    source: str
    pick: str = "value"
    metric: str = "accuracy"

    @property
    def group(self) -> str:
        """Name of the group of runs, shared by every cell that rests on it."""
        return group_name(self.experiment, self.source)
