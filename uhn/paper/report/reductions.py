"""Where a run differs from the paper's settings, in words, and how large its share of the paper's budget is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from uhn.paper.budget import PaperRun
from uhn.paper.runs.results import Run
from uhn.paper.tables import published as paper

Aspect = Literal["steps", "rows", "seeds", "batch", "generator", "rate", "warm-up", "clipping", "other"]
"""What a difference is about: a column of the matrix of reductions."""

WORDS: Final[dict[str, tuple[Aspect, str]]] = {
    "generator.hidden": ("generator", "hidden width"),
    "generator.blocks": ("generator", "residual blocks"),
    "generator.index_frequencies": ("generator", "index frequencies"),
    "generator.structure_frequencies": ("generator", "structure frequencies"),
    "generator.structure": ("generator", "task-structure encoder"),
    "generator.encoding": ("generator", "encoding"),
    "generator.scale": ("generator", "frequency scale"),
    "init.lr": ("rate", "initialisation rate"),
    "init.warmup": ("warm-up", "initialisation warm-up"),
    "train.lr": ("rate", "learning rate"),
    "train.warmup": ("warm-up", "warm-up"),
    "train.clip": ("clipping", "gradient clipping"),
    "validate_split": ("other", "validation split"),
}
"""What a setting is about, and its printed name; any other is printed as it is called."""

SAID_ELSEWHERE: Final = {
    "name", "experiment", "method", "seed", "model_set", "depth",  # what the row is: no profile changes it
    "tasks",  # likewise, but for how often each is drawn
    "score",  # a trial's; no table shows one
    "data.stand_in",  # whether one was used is a mark
    "compute.device", "compute.threads", "compute.kernel", "compute.cache_mib", "compute.stack",  # last bits
    "checkpoint_seconds", "evaluate_every",  # how often a run is saved and looked at
    "path_only",  # the cell itself, which says that it ran and prints no number
}  # fmt: skip
"""Settings that no caption compares. Every other one that is not the paper's is in :func:`differences`."""

COUNTED: Final = {
    "data.train_rows", "data.test_rows", "members", "init.steps", "train.steps", "train.epochs", "train.batch_size",
}  # fmt: skip
"""Settings that are compared by what they came to: rows, members and steps of the record."""

PARTS: Final = ("generator", "options")
"""Settings of the weight source."""


@dataclass(frozen=True)
class Difference:
    """Something that is not the paper's.

    Args:
        aspect: what it is about.
        what: its name, as printed.
        ours: the value that the runs have.
        theirs: the paper's.
        less: whether it is a smaller budget and not just another value.
        whose: who has the other value.
    """

    aspect: Aspect
    what: str
    ours: str
    theirs: str
    less: bool = False
    whose: str = "paper"

    @property
    def phrase(self) -> str:
        """In words, for a sentence."""
        return f"{self.what} {self.ours} ({self.whose} {self.theirs})"

    @property
    def pair(self) -> str:
        """Ours beside the paper's."""
        return f"{self.ours} / {self.theirs}" + ("" if self.whose == "paper" else f" ({self.whose})")


def dataset_names(run: Run) -> list[str]:
    """Datasets of a run, in order of its tasks."""
    return [task["dataset"] for task in run.settings.get("tasks", ())]


def share(run: Run, full: PaperRun) -> float:
    """Training steps as a share of the paper's, capped at 1."""
    return min(1.0, run["budget"].get("train_steps", 0) / full.steps)


def differences(run: Run, full: PaperRun) -> tuple[Difference, ...]:
    """What this run has less of than the paper's, or otherwise: every setting but those of :data:`SAID_ELSEWHERE`.
    Nothing at the paper's settings and full budget."""
    ours, theirs = run.resolved, full.written
    found = (*_source(ours, theirs), *_steps(run, full), *_data(run, ours, theirs), *_tasks(ours, theirs))
    found += tuple(_others(run, ours, theirs))
    return tuple(dict.fromkeys(found))


def fewer(aspect: Aspect, what: str, ours: int, theirs: int) -> Difference:
    """A count that is not the paper's."""
    return Difference(aspect, what, f"{ours:,}", f"{theirs:,}", ours < theirs)


def _source(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    """The settings of the weight source."""
    for part in PARTS:
        mine, papers = ours.get(part) or {}, theirs.get(part) or {}
        for key in papers if mine else ():
            if mine.get(key) != papers[key]:
                _, word = WORDS.get(f"{part}.{key}", ("", key))
                pair = mine.get(key), papers[key]
                yield Difference("generator", word, _show(pair[0]), _show(pair[1]), _less(pair))


def _steps(run: Run, full: PaperRun) -> Iterator[Difference]:
    budget: Mapping[str, Any] = run["budget"]
    for key, word, theirs in (
        ("train_steps", "training", full.steps),
        ("init_steps", "initialisation", full.settings.init.steps),
    ):
        ours = budget.get(key, 0)
        if ours != theirs:
            yield fewer("steps", f"{word} steps", ours, theirs)


def _data(run: Run, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    batch, wanted_batch = (each.get("train", {}).get("batch_size") for each in (ours, theirs))
    several = len(dataset_names(run)) > 1
    for name, data in zip(dataset_names(run), run["data"], strict=False):
        known = paper.dataset(name)
        if known is None:
            continue
        prefix = f"{known.label} " if several else ""
        for split, word, papers in (("train", "training", known.train_rows), ("test", "test", known.test_rows)):
            rows = data.get("rows", {}).get(split)
            if rows is not None and rows < papers and ours.get("score", "test") == "test":
                yield fewer("rows", f"{prefix}{word} rows", rows, papers)
        if not known.full_batch and batch and batch != wanted_batch:
            yield Difference("batch", "batch", _show(batch), _show(wanted_batch))


def _others(run: Run, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    """Every other setting: rates, warm-up, clipping, the validation split, precision, and what nobody has named yet."""
    mine, papers = _flat(ours), _flat(theirs)
    for key in dict.fromkeys([*WORDS, *papers]):
        if key not in mine or key not in papers or key in SAID_ELSEWHERE | COUNTED or key.startswith(PARTS):
            continue
        if key.startswith("init.") and not mine.get("init.steps"):  # no phase has none of them
            continue
        pair = (mine[key], papers[key])
        if key == "train.warmup":
            pair = _in_unit(run, ours["train"]), _in_unit(run, theirs["train"])
        if key == "precision" and pair in {("fp32", "auto"), ("bf16", "auto")}:  # the caption says which it was
            continue
        if pair[0] != pair[1]:
            whose = "profile paper" if key == "precision" else "paper"  # the paper's own program mixes fp16 and fp32
            aspect, word = WORDS.get(key, ("other", key))
            yield Difference(aspect, word, _show(pair[0]), _show(pair[1]), whose=whose)


def _tasks(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    """How often each task is drawn."""
    mine, papers = ({task["dataset"]: task["probability"] for task in each.get("tasks", ())} for each in (ours, theirs))
    for name, often in mine.items():
        if name in papers and often != papers[name]:
            known = paper.dataset(name)
            word = f"probability of {known.label if known else name}"
            yield Difference("other", word, _show(often), _show(papers[name]))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by path."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def _in_unit(run: Run, train: Mapping[str, Any]) -> str:
    """A warm-up with its unit; a step of full-batch training is an epoch."""
    read = [paper.dataset(name) for name in dataset_names(run)]
    epochs = train.get("epochs") is not None and not all(known and known.full_batch for known in read)
    number = train.get("warmup")
    return f"{number:,} {'epoch' if epochs else 'step'}{'s' * (number != 1)}"


def _less(pair: tuple[Any, Any]) -> bool:
    """Whether a size is smaller than the paper's."""
    ours, theirs = pair
    return isinstance(ours, int) and isinstance(theirs, int) and ours < theirs


def _show(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-")
    return str(value)
