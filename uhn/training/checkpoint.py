"""Progress files: whole or absent, verified before they are read, and never mistaken for another run's."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from uhn.files import write_atomically

MAGIC = b"uhn-progress-1\n"


class ProgressError(ValueError):
    """A progress file that cannot be resumed from: truncated, altered or of another format."""


def save_progress(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) for the run of ``identity``, atomically, with a checksum."""
    buffer = io.BytesIO()
    torch.save({"identity": identity, "state": state}, buffer)
    body = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def load_progress(path: Path, identity: str) -> dict[str, Any] | None:
    """Return the state saved for ``identity``, or None if there is no file or it is another run's.

    A file of another identity, or a damaged one, is set aside beside itself with a message: it is never read as good.
    """
    if not path.exists():
        return None
    try:
        found = read_progress(path)
    except ProgressError as error:
        print(f"{error}; set aside as {_set_aside(path, 'damaged')}, starting again", flush=True)
        return None
    if found["identity"] != identity:
        aside = _set_aside(path, f"other-{str(found['identity'])[:8]}")
        print(
            f"{path} belongs to other settings, data, code or kernels; set aside as {aside}, starting again", flush=True
        )
        return None
    state: dict[str, Any] = found["state"]
    return state


def read_progress(path: Path) -> dict[str, Any]:
    """Read and verify a progress file. Raises :class:`ProgressError` saying what is wrong with it."""
    content = path.read_bytes()
    head = len(MAGIC) + 65
    if not content.startswith(MAGIC) or len(content) <= head:
        raise ProgressError(f"{path} is not a whole progress file ({len(content)} bytes)")
    body = content[head:]
    if hashlib.sha256(body).hexdigest().encode() + b"\n" != content[len(MAGIC) : head]:
        raise ProgressError(f"{path} is truncated or altered: its checksum does not match")
    try:
        found: Any = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise ProgressError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or set(found) != {"identity", "state"}:
        raise ProgressError(f"{path} wanted an identity and a state, got {type(found).__name__}")
    return found


def _set_aside(path: Path, why: str) -> str:
    target = path.with_name(f"{path.name}.{why}")
    os.replace(path, target)
    return target.name
