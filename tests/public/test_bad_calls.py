"""Whatever a user hands to a public entry point by mistake is refused in one sentence, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import bad_calls
import pytest

import uhn

PLAIN = {"ValueError", "TypeError", "IndexError", "FileNotFoundError"}
INSIDE = re.compile(r"has no attribute|object is not|not supported between|unhashable|mat1|broadcast|out of range")
"""What an error says that comes from inside."""
WANTED = re.compile(
    r"want|must|may hold|need|known: |expected|no weight source|no model file|no file can|this chain has|do not chain"
    r"|shares|keys|objects of"
)


@pytest.fixture(scope="module")
def found(forking_python: str) -> dict[str, list[str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [forking_python, str(Path(bad_calls.__file__))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def test_every_bad_call_is_refused_in_one_sentence_that_says_what_was_wanted(found: dict[str, list[str]]) -> None:
    calls = {what: said for what, said in found.items() if what != "left behind"}
    assert len(calls) > 700
    wrong = {}
    for what, (kind, text) in calls.items():
        length = 700 if "known: " in text else 300
        one = "\n" not in text and 0 < len(text) <= length
        if kind not in PLAIN or not one or INSIDE.search(text) or not WANTED.search(text):
            wrong[what] = f"{kind}: {text}"
    assert not wrong, json.dumps(dict(list(wrong.items())[:20]), indent=1)


def test_nothing_is_left_behind(found: dict[str, list[str]]) -> None:
    assert found["left behind"] == ["direct"], "what a good call wrote"


TABLED = (
    "ModelSpec Inputs run zoo describe call weights recalibrate hypernetize Direct UniversalHypernetwork Chain "
    "load_source save_source matching_loss to_module from_module state_dict fit output_regulariser"
)


def test_the_public_names_are_in_the_table(found: dict[str, list[str]]) -> None:
    tried = {re.split(r"[.( ]", what)[0] for what in found}
    assert set(TABLED.split()) <= tried & set(uhn.__all__)
