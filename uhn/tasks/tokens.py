"""Tokenizer, vocabulary and token arrays (section B.1 of the paper)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uhn.tasks.fetch.checksums import DataError

UNKNOWN: Final = 0
PADDING: Final = 1
CLS: Final = 2
SPECIALS: Final = ("<unk>", "<pad>", "<cls>")

VOCABULARY_SIZE: Final = 5000
"""Entries of a vocabulary, the three specials included."""

_TOKEN: Final = re.compile(r"\w+'\w+|\w+|[^\w\s]")


def tokenize(text: str) -> list[str]:
    """Lower-case and split: word'word, then runs of word characters, then single other non-space characters."""
    return _TOKEN.findall(text.lower())


def build_vocabulary(texts: Iterable[Sequence[str]], size: int = VOCABULARY_SIZE) -> dict[str, int]:
    """Number the specials 0-2 and then the most frequent tokens of tokenised ``texts``; of equals, the first seen."""
    counts: Counter[str] = Counter()
    for tokens in texts:
        counts.update(tokens)
    kept = [token for token, _ in counts.most_common(size - len(SPECIALS))]
    return {token: number for number, token in enumerate((*SPECIALS, *kept))}


@dataclass(frozen=True)
class Tokens:
    """Token ids of one split, row after row.

    Args:
        ids: ``[total]`` int16, every row beginning with :data:`CLS`.
        lengths: ``[N]`` int64, at least 1.
        y: ``[N]`` int64 classes.

    Raises:
        DataError: if the parts do not fit each other, or an id is not in the vocabulary.
    """

    ids: NDArray[np.int16]
    lengths: NDArray[np.int64]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.lengths.shape != self.y.shape or int(self.lengths.sum()) != len(self.ids):
            raise DataError(
                f"wanted {len(self.y):,} rows with {int(self.lengths.sum()):,} tokens in all, got "
                f"{len(self.lengths):,} rows and {len(self.ids):,} tokens"
            )
        if len(self.y) and int(self.lengths.min()) < 1:
            raise DataError("every text must have at least one token (the CLS token), got one with none")
        if len(self.ids) and not 0 <= int(self.ids.min()) <= int(self.ids.max()) < VOCABULARY_SIZE:
            raise DataError(f"token ids must be in [0, {VOCABULARY_SIZE}), got {self.ids.min()} to {self.ids.max()}")


def encode(rows: Sequence[tuple[int, Sequence[str]]], vocabulary: Mapping[str, int], length: int) -> Tokens:
    """Turn (class, tokens) rows into ids: CLS, then the first ``length - 1`` tokens; unknown ones become 0."""
    ids: list[int] = []
    lengths = np.empty(len(rows), np.int64)
    for number, (_, tokens) in enumerate(rows):
        part = tokens[: length - 1]
        ids.append(CLS)
        ids.extend([vocabulary.get(token, UNKNOWN) for token in part])
        lengths[number] = len(part) + 1
    return Tokens(np.array(ids, np.int16), lengths, np.array([label for label, _ in rows], np.int64))
