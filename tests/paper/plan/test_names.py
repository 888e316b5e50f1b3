"""What the name of a run says."""

from __future__ import annotations

import pytest

from uhn.paper.config import ConfigError
from uhn.paper.names import RunId

NAMES = {
    "kan-kv/uhn/seed-5": RunId("kan-kv", "uhn", 5),
    "cora-gcn/direct/seed-0": RunId("cora-gcn", "direct", 0),
    "sweeps/kan-kv/uhn/stage3/train-0.001x2/seed-21962": RunId("kan-kv", "uhn", 21962, "stage3", "train-0.001x2"),
    "kan-kv/sweeps/seed-5": RunId("kan-kv", "sweeps", 5),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_and_what_it_says_are_one(name: str) -> None:
    run = NAMES[name]
    assert RunId.parse(name) == run and str(run) == name
    assert run.group == "/".join(name.removeprefix("sweeps/").split("/")[:2])


@pytest.mark.parametrize(
    "name",
    [
        "", "kan-kv", "kan-kv/uhn", "kan-kv/uhn/seed-", "kan-kv/uhn/seed-x", "kan-kv/uhn/seed-05", "kan-kv/uhn/seed-٣",
        "kan-kv/uhn/seed-12345678901", "kan-kv//seed-5", "/uhn/seed-5", "kan-kv/uhn/seed-5/", "kan-kv/uhn/seed-5\n",
        "sweeps/kan-kv/uhn/seed-5", "sweeps/kan-kv/seed-5", "sweeps/kan-kv/uhn/stage1/seed-5", "a/b/stage1/lr-1/seed-5",
        "sweeps/sweeps/kan-kv/uhn/stage1/lr-1/seed-5",
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_run_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigError, match="no run .*wanted <experiment>/<source>/seed-<number>, or the name of a trial"
    ):
        RunId.parse(name)
