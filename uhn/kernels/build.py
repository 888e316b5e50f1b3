"""The C kernels of this folder, compiled by the system's compiler on first use and kept in the user's cache.

A library is named by a digest of its source, the compiler, the flags and the processor, so that nothing ever runs that
was built from something else or for another machine; it appears whole (a temporary file, then a rename), and processes
that need it at the same moment wait for one of them to build it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from uhn.locks import locked

SOURCES = Path(__file__).parent

FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")

OPTIONAL = (("-march=native", "-fopenmp"), ("-mcpu=native", "-fopenmp"), ("-march=native",), ("-mcpu=native",), ())
"""What a compiler may not know or a system may lack, best first: its processor's own instructions, and threads."""

COMPILE_SECONDS = 120


class CannotBuild(Exception):
    """Why there is no library, as half a sentence."""


def cache_folder() -> Path:
    """``$UHN_KERNEL_CACHE``, or the place that the system's rules give (XDG_CACHE_HOME, else ~/.cache)."""
    if chosen := os.environ.get("UHN_KERNEL_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uhn" / "kernels"


@cache
def library(half: bool) -> ctypes.CDLL:
    """The kernels for float32 or bfloat16 products.

    Raises:
        CannotBuild: without a compiler or a place to write, or if the compiler fails.
    """
    try:
        return ctypes.CDLL(str(built(half)))
    except OSError as error:
        raise CannotBuild(f"the compiled kernels cannot be used: {error}") from None


def built(half: bool, extra: Sequence[str] = ()) -> Path:
    """The library's path; builds it if it is not there. ``extra`` are further flags."""
    command = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not command or not shutil.which(command):
        raise CannotBuild("there is no C compiler (cc, gcc or clang)")
    flags = [*FLAGS, f"-DHALF={int(half)}", *extra]
    target = cache_folder() / f"{_name(command, flags)}.so"
    if not target.exists():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(target.with_name(f"{target.name}.lock")):
                if not target.exists():
                    _compile(command, flags, target)
        except OSError as error:
            raise CannotBuild(f"{target.parent} cannot be written: {error}") from None
    return target


def _compile(command: str, flags: Sequence[str], target: Path) -> None:
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    words = ""
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as folder:
        made = Path(folder) / "made.so"
        for optional in OPTIONAL:
            line = [command, *flags, *optional, *sources, "-o", str(made), "-lm"]
            try:
                done = subprocess.run(line, capture_output=True, text=True, timeout=COMPILE_SECONDS, cwd=folder)
            except subprocess.TimeoutExpired:
                raise CannotBuild(f"{command} took more than {COMPILE_SECONDS} s") from None
            if done.returncode == 0:
                os.replace(made, target)
                return
            words = words or (done.stderr.strip().splitlines() or ["without a word"])[0]
    raise CannotBuild(f"{command} failed: {words}")


def _name(command: str, flags: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.read_bytes())
    version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=COMPILE_SECONDS).stdout
    digest.update(repr((version, flags, OPTIONAL, processor())).encode())
    return digest.hexdigest()[:24]


@cache
def processor() -> str:
    """What the compiler would see of this machine: its model and instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("vendor_id", "model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
