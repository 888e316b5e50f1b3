"""AG News and IMDB: from verified files to rows of text, and from there, once, to token arrays in a cache."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from uhn.data.entries import ENTRIES
from uhn.data.locks import locked
from uhn.data.pins import DataError, File, read_verified
from uhn.data.standin import generate_texts
from uhn.data.tokens import Tokens, build_vocabulary, encode, tokenize
from uhn.files import remove_leftovers, write_atomically

CACHE_VERSION: Final = 1
"""Raise it when the tokenizer, the vocabulary or the order of rows changes; older caches are then made anew."""

log = logging.getLogger("uhn.data")

Rows = Sequence[tuple[int, str]]
"""(class from 0, text) in order."""


@dataclass(frozen=True)
class TextDataset:
    """What is known of a text dataset: classes, longest sequence (CLS included), mean words of its stand-in."""

    classes: int
    length: int
    words: int


TEXTS: Final = {
    "ag_news": TextDataset(4, 128, 38),
    "ag_news_30k": TextDataset(4, 128, 38),
    "imdb": TextDataset(2, 512, 230),
}


def parse_ag_news(content: bytes, where: str) -> list[tuple[int, str]]:
    """Parse rows ``"class","title","description"``: class 1-4 becomes 0-3, text is title, space, description.

    Raises:
        DataError: naming the row that is broken.
    """
    rows: list[tuple[int, str]] = []
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        for number, fields in enumerate(reader, 1):
            if len(fields) != 3 or fields[0] not in ("1", "2", "3", "4"):
                raise DataError(
                    f"{where}, row {number}: wanted a class 1-4, a title and a description, got {str(fields)[:80]}"
                )
            rows.append((int(fields[0]) - 1, f"{fields[1]} {fields[2]}"))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{where}, after row {len(rows)}: {error}") from None
    return rows


def parse_reviews(content: bytes, where: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Parse packed reviews into training and test rows, in order of (class, number); negative 0, positive 1.

    Raises:
        DataError: if the packing is broken.
    """
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    place = 0
    try:
        while place < len(content):
            name_end = content.index(b"\0", place)
            length_end = content.index(b"\0", name_end + 1)
            split, label, file = content[place:name_end].decode().split("/")
            end = length_end + 1 + int(content[name_end + 1 : length_end])
            if end > len(content):
                raise ValueError("the last review is cut off")
            text = content[length_end + 1 : end].decode("utf-8")
            found[split].append(({"neg": 0, "pos": 1}[label], int(file.partition("_")[0]), text))
            place = end
    except (ValueError, KeyError) as error:
        raise DataError(f"{where}, at byte {place}: {error}") from None
    train, test = ([(label, text) for label, _, text in sorted(found[split])] for split in ("train", "test"))
    return train, test


def _files(name: str) -> tuple[File, ...]:
    return ENTRIES[name].files


def _read(name: str, root: Path) -> tuple[Rows, Rows]:
    files = _files(name)
    if name == "imdb":
        return parse_reviews(read_verified(files[0], root), files[0].path)
    train, test = (parse_ag_news(read_verified(file, root), file.path) for file in files)
    return train, test


def load_text(name: str, root: Path) -> tuple[Tokens, Tokens]:
    """Return training and test tokens of dataset ``name``; from the cache below ``root`` if it was made of these files.

    Raises:
        FileNotFoundError: if a file is missing.
        DataError: if a file does not have its pin or holds a broken row.
    """
    source = json.dumps([CACHE_VERSION, name, TEXTS[name].length, [file.digest for file in _files(name)]])
    return _cached(root, f"{name}-tokens", source, name, lambda: _read(name, root))


def load_text_stand_in(name: str, root: Path) -> tuple[Tokens, Tokens]:
    """Return generated training and test tokens in the place of dataset ``name``, cached like the real ones."""
    known = TEXTS[name]
    source = json.dumps([CACHE_VERSION, "stand-in", name, known.length, known.classes, known.words])
    return _cached(
        root, f"{name}-stand-in-tokens", source, name, lambda: generate_texts(name, known.classes, known.words)
    )


def _cached(
    root: Path, cache: str, source: str, name: str, read: Callable[[], tuple[Rows, Rows]]
) -> tuple[Tokens, Tokens]:
    """Tokens from the file ``cache``, which is made where it can be; a data root that cannot be written has none."""
    path = root / "cache" / f"{cache}.safetensors"
    if (known := _load(path, source)) is not None:
        return known
    train, test = ([(label, tokenize(text)) for label, text in rows] for rows in read())
    vocabulary = build_vocabulary(tokens for _, tokens in train)
    parts = (encode(train, vocabulary, TEXTS[name].length), encode(test, vocabulary, TEXTS[name].length))
    arrays = {
        f"{split}.{field}": getattr(part, field)
        for split, part in zip(("train", "test"), parts, strict=True)
        for field in ("ids", "lengths", "y")
    } | {"vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    try:
        with locked(root, cache):
            remove_leftovers(path)
            write_atomically(path, save(arrays, {"uhn": json.dumps([source, _digest(arrays)])}))
    except (DataError, OSError) as error:
        log.info("the tokens of %s are not kept: %s", name, error)
    return parts


def _digest(arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}:{arrays[key].dtype}:{arrays[key].shape}".encode())
        digest.update(arrays[key].tobytes())
    return digest.hexdigest()


def _load(path: Path, source: str) -> tuple[Tokens, Tokens] | None:
    """Read a cache file; None if there is none, it was made of something else, or it is damaged."""
    try:
        if not path.is_file():
            return None
        with safe_open(path, "np") as file:
            told = (file.metadata() or {}).get("uhn")
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if told == json.dumps([source, _digest(arrays)]):
            train, test = (
                Tokens(*(arrays[f"{split}.{field}"] for field in ("ids", "lengths", "y")))
                for split in ("train", "test")
            )
            return train, test
        log.info("%s was made of other data or is damaged; making it anew", path)
    except (SafetensorError, DataError, KeyError, OSError) as error:
        log.info("%s cannot be used (%s); making it anew", path, error)
    return None
