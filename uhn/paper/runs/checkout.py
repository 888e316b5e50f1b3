"""Which commit the running code is, or in words why nobody can tell."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


@cache
def commit() -> dict[str, Any]:
    """The commit of the checkout that holds this package, and whether tracked files differ from it.

    Both are None where there is no telling, with ``unknown`` saying why: an unpacked archive has no repository, a
    machine may have no git, a repository may be damaged.
    """
    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except LookupError as error:
        return {"commit": None, "dirty": None, "unknown": str(error)}


def in_words(code: Mapping[str, Any]) -> str:
    """Say what :func:`commit` found (a run's record of it) in words."""
    if not code.get("commit"):
        return f"no commit ({code.get('unknown', 'not recorded why')})"
    return f"commit {code['commit']}" + (" (with changes that were not committed)" if code.get("dirty") else "")


def git(*words: str) -> str:
    """Ask git; raises ``LookupError`` saying, without a path, why there is no answer.

    In a container the checkout often belongs to another user, and git answers nobody else. What it guards against is
    running what such a repository says; its code is running already.
    """
    return _ask(*words).decode(errors="replace").strip()


def unpack(revision: str, path: str, target: Path) -> bool:
    """Write what a revision has at ``path`` below ``target``; False if there is no telling, or no such thing."""
    try:
        content = _ask("archive", "--format=tar", "--end-of-options", revision, path)
    except LookupError:
        return False
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(target, filter="data")
    return True


def _ask(*words: str) -> bytes:
    if not (ROOT / ".git").exists():  # a repository further up is another project's
        raise LookupError("no git repository")
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except FileNotFoundError:
        raise LookupError("git is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LookupError(f"git did not answer ({type(error).__name__})") from None
    if done.returncode:
        raise LookupError(f"git {words[0]} failed with exit code {done.returncode}")
    return done.stdout
