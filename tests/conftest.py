"""For all tests: shapes and types are checked at run time, torch computes on one thread, globals stay clean."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Triton reads it when it is imported, which torch's build with CUDA does before a test can say so.
os.environ.setdefault("TRITON_INTERPRET", "1")

import jaxtyping
import shape_checks

# Only the packages that handle tensors; it has to stand before the first import of uhn.
PACKAGES = ("layers", "models", "descriptors", "sources", "training", "export", "randomness")
jaxtyping.jaxtyped = shape_checks.jaxtyped
jaxtyping.install_import_hook([f"uhn.{package}" for package in PACKAGES], "shape_checks.check")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from forking import Forking  # noqa: E402

torch.set_num_threads(1)
gc.disable()  # until all test files are imported

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parent.parent

# The first writes down who called it, once per kind of card, for the day that one is there.
_seed = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed

FORKING = "UHN_TEST_FORKING_PYTHON"
"""Where the processes among which pytest shares the tests, forks themselves, find the one :class:`Forking`."""

PYTHON = "UHN_TEST_PYTHON"
"""And the Python that does not fork."""

DATA = "UHN_TEST_DATA"
"""And the one folder of real data, so that large files are unpacked once."""


def pytest_configure(config: pytest.Config) -> None:
    if FORKING in os.environ:
        sys.executable = os.environ[PYTHON]
        return
    server = Forking()
    data = tempfile.TemporaryDirectory()
    os.environ |= {FORKING: server.python, PYTHON: sys.executable, DATA: data.name}
    if workers := getattr(config.option, "tx", None):
        config.option.tx = [f"popen//python={shlex.quote(server.python)}"] * len(workers)
    config.add_cleanup(data.cleanup)
    config.add_cleanup(server.close)
    config.add_cleanup(lambda: [os.environ.pop(name) for name in (FORKING, PYTHON, DATA)])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: no collection of garbage looks through it again."""
    found = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return found


LONGEST = ("workflow", "durability")
"""Folders whose tests come first, so that no worker ends alone with one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


def _globals() -> dict[str, object]:
    """What a test may not change for those that follow it."""
    return {
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "filled memory": torch.utils.deterministic.fill_uninitialized_memory,
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "cudnn.deterministic": torch.backends.cudnn.deterministic,
        "gradients": torch.is_grad_enabled(),
        "working folder": os.getcwd(),
    }


@pytest.fixture(autouse=True)
def clean_globals() -> Iterator[None]:
    """Fail a test that leaves torch's globals changed; give each the same global generators, put back afterwards.

    Torch seeds its own at random, so a test whose stock layers drew from it would see other weights in every run.
    """
    before, torch_state, numpy_state = _globals(), torch.random.get_rng_state(), np.random.get_state()
    _seed(0)
    np.random.seed(0)
    shape_checks.SEEN.clear()
    yield
    torch.random.set_rng_state(torch_state)
    np.random.set_state(numpy_state)
    after = _globals()
    torch.set_default_dtype(before["default dtype"])
    torch.set_num_threads(before["threads"])
    torch.set_deterministic_debug_mode(before["deterministic"])
    torch.utils.deterministic.fill_uninitialized_memory = before["filled memory"]
    torch.set_float32_matmul_precision(before["matmul precision"])
    torch.backends.cudnn.deterministic = before["cudnn.deterministic"]
    torch.set_grad_enabled(before["gradients"])
    os.chdir(before["working folder"])
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, f"the test left globals changed (before, after): {changed}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def forking_python() -> str:
    """A Python for tests that start processes: what it imports beside uhn it has imported already."""
    return os.environ[FORKING]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder for data from the mirror, shared by all tests that only read it."""
    return Path(os.environ[DATA])
