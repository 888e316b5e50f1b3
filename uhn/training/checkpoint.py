"""Progress files: whole or absent, verified before they are read, and never mistaken for another run's."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from uhn.files import remove_leftovers, write_atomically

MAGIC = b"uhn-progress-1\n"

OTHERS = "belongs to other settings, data or code"


class ProgressError(ValueError):
    """A progress file that cannot be resumed from: truncated, altered or of another format."""


def save_progress(path: Path, identity: str, state: dict[str, Any], machine: Mapping[str, str]) -> None:
    """Write ``state`` (tensors and plain values) for the run of ``identity``, atomically, with a checksum.

    Args:
        path: the file.
        identity: of the run.
        state: what a resumed run needs.
        machine: what the bits depend on (:func:`uhn.training.machine.machine`).
    """
    buffer = io.BytesIO()
    torch.save({"identity": identity, "machine": dict(machine), "state": state}, buffer)
    body = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def load_progress(path: Path, identity: str, machine: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the state saved for ``identity`` on such a machine, or None if there is none.

    A file of another run or machine, or a damaged one, is set aside beside itself with a message: it is never read as
    good. Where this run was set aside before, it goes on from there.
    """
    own = _aside(path, identity, machine)
    for place in (path, own):
        if not place.exists():
            continue
        try:
            found = read_progress(place)
        except ProgressError as error:
            os.replace(place, _damaged(path))
            print(f"{error}; set aside as {_damaged(path).name}, starting again", flush=True)
            continue
        # of before machines were written down: trusted, but for the kernels, of which there was one kind
        made_on = found.get("machine", {**machine, "kernel": "eager"})
        if found["identity"] == identity and made_on == machine:
            if place == own:
                os.replace(own, path)
            state: dict[str, Any] = found["state"]
            return state
        why = OTHERS if found["identity"] != identity else f"was made otherwise ({_other(made_on, machine)})"
        print(f"{place} {why}; set aside as {_set_aside(place, found)}, starting again", flush=True)
    return None


def discard_progress(path: Path, identity: str) -> None:
    """Remove the progress of a finished run, from whatever machine; that of another run is set aside."""
    if path.exists():
        try:
            found = read_progress(path)
        except ProgressError:
            path.unlink()
        else:
            if found["identity"] == identity:
                path.unlink()
            else:
                print(f"{path} {OTHERS}; set aside as {_set_aside(path, found)}", flush=True)
    for aside in (*path.parent.glob(f"{path.name}.{_short(identity)}-*"), _damaged(path)):
        aside.unlink(missing_ok=True)
    remove_leftovers(path)


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
    if not isinstance(found, dict) or set(found) | {"machine"} != {"identity", "machine", "state"}:
        raise ProgressError(f"{path} wanted an identity and a state, got {type(found).__name__}")
    return found


def _aside(path: Path, identity: str, machine: Mapping[str, str] | None) -> Path:
    """Where progress of this run on such a machine waits while another has the place."""
    return path.with_name(f"{path.name}.{_short(identity)}-{_short(repr(sorted((machine or {}).items())))}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _damaged(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _set_aside(path: Path, found: Mapping[str, Any]) -> str:
    target = _aside(path, str(found["identity"]), found.get("machine"))
    os.replace(path, target)
    return target.name


def _other(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    keys = [key for key in here if there.get(key) != here[key]]
    return ", ".join(f"{key} {there.get(key)} there, {here[key]} here" for key in keys)
