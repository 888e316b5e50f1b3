"""What asking for a dataset came to: the data, or what takes their place and why. Nothing stands in unsaid.

A receipt is a small file per dataset. The pipeline's jobs wait for it, its first and last words come from it, and
whoever wants to know which data are no real data, and why, reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from uhn.files import write_atomically
from uhn.tasks.dataset import Kind
from uhn.tasks.fetch.checksums import UnavailableError, brief, cure
from uhn.tasks.fetch.mirrors import ensure, known_files, mirror_from_environment, present

RECEIPTS: Final = Path("work/receipts")
"""Where the pipeline keeps its receipts: beside the data, which may lie where nobody can write."""

GENERATED: Final = "generated"


@dataclass(frozen=True)
class Receipt:
    """What a dataset's rows are.

    Args:
        dataset: the one that was asked for.
        used: the dataset whose files are read, the package whose rows are, or :data:`GENERATED`.
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


def substitute(missing: UnavailableError, root: Path) -> Receipt:
    """What takes the place of a dataset, as things are: a part of it, rows that a package has, else generated ones."""
    known, why = known_files(missing.dataset), (missing.tried, missing.mirror)
    if known.fallback and present(known.fallback, root):
        return Receipt(known.name, known.fallback, "subset", known_files(known.fallback).part, *why)
    if known.shipped is not None and known.shipped.find() is not None:
        return Receipt(known.name, known.shipped.name, "subset", known.shipped.detail, *why)
    return Receipt(known.name, GENERATED, "stand-in", known.stand_in, *why)


def obtain(name: str, root: Path, *, stand_in: bool = False, get: Callable[[str, Path], object] = ensure) -> Receipt:
    """Bring a dataset below ``root``, or find what takes its place.

    Args:
        stand_in: whether something else may. A mirror that is set must have the dataset or a part of it all the same.
        get: what brings a dataset here.

    Raises:
        UnavailableError: if it is unavailable and nothing may take its place.
        DataError: if files cannot be written.
    """
    known = known_files(name)
    try:
        get(name, root)
    except UnavailableError as missing:
        if not stand_in:
            raise
        if known.fallback:
            with suppress(UnavailableError):
                get(known.fallback, root)
        found = substitute(missing, root)
        if missing.mirror is not None and found.used != known.fallback:
            raise
        return found
    return Receipt(name, name, "subset" if known.part else "real", known.part)


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
