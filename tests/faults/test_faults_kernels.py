"""The compiled kernels under the sanitizers of addresses and of undefined behaviour."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from farm import N
from tiny import REPOSITORY

from uhn.kernels import build

SOUND = "7f10e519de3291fa83690814e7f9e10584b80c0247e874e436e5582cc2d688d1"
"""SHA-256 of the C sources that the sanitizers have passed: changed ones are tried by every run of the suite, until it
is theirs."""


def test_addresses_and_arithmetic_are_sound(tmp_path: Path) -> None:
    """The trial of the kernels once more; under the sanitizers torch takes long to start."""
    sources = b"".join(path.read_bytes() for path in sorted(build.SOURCES.glob("*.[ch]")))
    if hashlib.sha256(sources).hexdigest() == SOUND and N == 1:
        pytest.skip("the sanitizers passed these sources; make faults N=2 tries them again")
    compiler = os.environ.get("CC") or "cc"
    asked = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True)
    if not Path(asked.stdout.strip()).is_absolute():
        pytest.skip("the compiler has no address sanitizer")
    code = (
        "from uhn.kernels import build\n"
        "build.FLAGS = ('-O1', '-g', '-std=gnu11', '-fPIC', '-shared', '-fsanitize=address,undefined',"
        " '-fno-sanitize-recover=all')\n"
        "from uhn.sources.trial import disagreement\n"
        "assert disagreement(False) is None and disagreement(True) is None\n"
    )
    environment = os.environ | {
        "LD_PRELOAD": asked.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UHN_KERNEL_CACHE": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
