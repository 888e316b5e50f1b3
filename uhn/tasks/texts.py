"""Datasets of texts: from rows of text, once, to token arrays in a cache; and texts of made-up words."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from uhn.files import remove_leftovers, write_atomically
from uhn.tasks.dataset import Dataset, Raw
from uhn.tasks.fetch.checksums import DataError
from uhn.tasks.fetch.locks import locked
from uhn.tasks.tokens import Tokens, build_vocabulary, encode, tokenize
from uhn.vocabulary import TaskType

CACHE_VERSION: Final = 1
"""Raise it when the tokenizer, the vocabulary or the order of rows changes; older caches are then made anew."""

STAND_IN_ROWS: Final = (12_000, 3_000)

log = logging.getLogger("uhn.data")

Rows = Sequence[tuple[int, str]]
"""(class from 0, text) in order."""


@dataclass(frozen=True, kw_only=True)
class TextDataset(Dataset):
    """A dataset of texts in classes.

    Args:
        length: longest sequence, the CLS token included.
        words: mean number of words of a text in its place.
        parse: from the files to training and test rows.
    """

    task_type: ClassVar[TaskType] = TaskType.TEXT
    stand_in: ClassVar[str] = "generated sentences of made-up words, not articles or reviews"

    classes: int
    length: int
    words: int
    parse: Callable[[Raw], tuple[Rows, Rows]]

    def read(self, root: Path, seed: int) -> tuple[Tokens, Tokens]:
        """Training and test tokens; from the cache below ``root`` if it was made of these files.

        Raises:
            FileNotFoundError: if a file is missing.
            DataError: if a file does not have its checksum or holds a broken row.
        """
        made_of = json.dumps([CACHE_VERSION, self.name, self.length, [file.digest for file in self.files]])
        return _cached(root, f"{self.name}-tokens", made_of, self, lambda: self.parse(self.raw(root)))

    def generate(self, root: Path, train: int, test: int) -> tuple[Tokens, Tokens]:
        """Training and test tokens of :meth:`texts`, cached like the real ones."""
        made_of = json.dumps([CACHE_VERSION, "stand-in", self.name, self.length, self.classes, self.words])
        return _cached(root, f"{self.name}-stand-in-tokens", made_of, self, self.texts)

    def texts(self) -> tuple[Rows, Rows]:
        """Generated (class, text) rows to train and to test on, the first ``classes`` labels in turn.

        A text mixes words that every class uses with words that some classes prefer; lengths scatter about ``words``.
        """
        rng = self.numbers()
        sounds = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
        pairs = rng.permutation(len(sounds) ** 2)[:6000]
        lexicon = np.array([sounds[p // len(sounds)] + sounds[p % len(sounds)] for p in pairs.tolist()], dtype=object)
        common = 1 / (np.arange(len(lexicon)) + 30.0)
        boost = 1 + 10 / np.sqrt(self.words)  # about as hard whatever the length
        tables = [common * np.where(rng.random(len(lexicon)) < 0.2, boost, 1.0) for _ in range(self.classes)]
        splits: list[list[tuple[int, str]]] = []
        for rows in STAND_IN_ROWS:
            texts: list[tuple[int, str]] = [(0, "")] * rows
            for c, table in enumerate(tables):
                own = np.arange(c, rows, self.classes)
                lengths = np.maximum(rng.normal(self.words, self.words / 4, len(own)).astype(np.int64), 3)
                drawn = lexicon[rng.choice(len(lexicon), int(lengths.sum()), p=table / table.sum())]
                for row, text in zip(own.tolist(), np.split(drawn, np.cumsum(lengths)[:-1]), strict=True):
                    texts[row] = (c, " ".join(text) + ".")
            splits.append(texts)
        return splits[0], splits[1]


def _cached(
    root: Path, cache: str, made_of: str, known: TextDataset, read: Callable[[], tuple[Rows, Rows]]
) -> tuple[Tokens, Tokens]:
    """Tokens from the file ``cache``, which is made where it can be; a data root that cannot be written has none."""
    path = root / "cache" / f"{cache}.safetensors"
    if (kept := _load(path, made_of)) is not None:
        return kept
    train, test = ([(label, tokenize(text)) for label, text in rows] for rows in read())
    vocabulary = build_vocabulary(tokens for _, tokens in train)
    parts = (encode(train, vocabulary, known.length), encode(test, vocabulary, known.length))
    arrays = {
        f"{split}.{field}": getattr(part, field)
        for split, part in zip(("train", "test"), parts, strict=True)
        for field in ("ids", "lengths", "y")
    } | {"vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    try:
        with locked(root, cache):
            remove_leftovers(path)
            write_atomically(path, save(arrays, {"uhn": json.dumps([made_of, _digest(arrays)])}))
    except (DataError, OSError) as error:
        log.info("the tokens of %s are not kept: %s", known.name, error)
    return parts


def _digest(arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}:{arrays[key].dtype}:{arrays[key].shape}".encode())
        digest.update(arrays[key].tobytes())
    return digest.hexdigest()


def _load(path: Path, made_of: str) -> tuple[Tokens, Tokens] | None:
    """Read a cache file; None if there is none, it was made of something else, or it is damaged."""
    try:
        if not path.is_file():
            return None
        with safe_open(path, "np") as file:
            told = (file.metadata() or {}).get("uhn")
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if told == json.dumps([made_of, _digest(arrays)]):
            train, test = (
                Tokens(*(arrays[f"{split}.{field}"] for field in ("ids", "lengths", "y")))
                for split in ("train", "test")
            )
            return train, test
        log.info("%s was made of other data or is damaged; making it anew", path)
    except (SafetensorError, DataError, KeyError, OSError) as error:
        log.info("%s could not be used (%s); making it anew", path, error)
    return None
