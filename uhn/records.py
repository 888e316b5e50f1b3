"""Records in JSON that carry a checksum of their own content and name the digests of the files beside them.

A record of schema 1 has neither; it is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = 2
"""What is written; schema 1 had no digests."""

RECORD = "metrics.json"
"""Name of a run's record."""


MOST = 64_000_000
"""Bytes that a record may have."""


def digest(content: bytes | str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def sealed(record: Mapping[str, Any], files: Mapping[str, bytes | str] | None = None) -> dict[str, Any]:
    """Return ``record`` with the digests of ``files``, by name (those that it has if None), and its own checksum."""
    known = record.get("files", {}) if files is None else {name: digest(content) for name, content in files.items()}
    content = {key: value for key, value in record.items() if key != "checksum"} | {"schema": SCHEMA, "files": known}
    return content | {"checksum": _checksum(content)}


def to_text(record: Mapping[str, Any]) -> str:
    """Return the record as it is written."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """Read a record and check it against its checksum.

    Raises:
        ValueError: naming the file, if it cannot be read, is no JSON object, or was altered.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    return parse_record(content, path)


def parse_record(content: bytes, path: Path) -> dict[str, Any]:
    """As :func:`read_record`, from what stands in the file ``path``, or would stand there."""
    try:
        if len(content) > MOST:
            raise ValueError(f"wanted at most {MOST:,} bytes, got more")
        record = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not whole JSON ({error}); delete it and run again") from None
    if not isinstance(record, dict):
        raise ValueError(f"{path}: wanted one JSON object, got {type(record).__name__}")
    if "checksum" not in record and record.get("schema", 1) == 1:
        return record
    rest = {key: value for key, value in record.items() if key != "checksum"}
    if record.get("checksum") != _checksum(rest):
        raise ValueError(f"{path} was altered: its content does not have its checksum; delete it and run again")
    return record


def check_file(record: Mapping[str, Any], path: Path, content: bytes) -> None:
    """Raise ``ValueError`` if ``record`` names a digest of ``path``'s name and ``content`` does not have it."""
    files = record.get("files")
    wanted = files.get(path.name) if isinstance(files, dict) else None
    if wanted is not None and digest(content) != wanted:
        raise ValueError(f"{path} is not the file that {RECORD} beside it names: it was altered, or is another run's")


def _checksum(content: Mapping[str, Any]) -> str:
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":")))
