"""Tasks: a dataset, its loss and metric, and how its rows become the inputs of a model."""

from uhn.tasks.base import IGNORED, Batch, Limits, Provenance, Split, Task
from uhn.tasks.full import FullBatchTask
from uhn.tasks.load import DATASETS, load_task
from uhn.tasks.rows import ImageRows, RowTask, TextRows

__all__ = [
    "DATASETS",
    "IGNORED",
    "Batch",
    "FullBatchTask",
    "ImageRows",
    "Limits",
    "Provenance",
    "RowTask",
    "Split",
    "Task",
    "TextRows",
    "load_task",
]
