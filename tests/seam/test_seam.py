"""From params.yaml to tasks, models, sources, phases, trials and records, for every experiment of the paper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checks import STATIC
from real_runs import LEFT, Made


@pytest.mark.parametrize("check", STATIC)
def test_what_the_settings_say_arrives(check: str) -> None:
    STATIC[check]()


@pytest.mark.parametrize(("check", "kind"), [(name, kind) for name, (_, kinds) in LEFT.items() for kind in kinds])
def test_what_a_run_leaves_is_what_it_did(check: str, kind: str, made: Callable[[str], Made]) -> None:
    LEFT[check][0](made(kind))
