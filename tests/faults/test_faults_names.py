"""Names become folders, rules, wildcards and words of a command line: none gets out of its place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from uhn.paper.cli import main
from uhn.paper.config import ConfigError, parse_config, workflow_options
from uhn.paper.tables.further import FURTHER

BAD = (
    "", " ", ".", "..", "../../esc", "/tmp/x", "a/b", "a.b", "a b", "-x", "_x", "~", "*", "a\nb", "a\tb", "\x1b[31m",
    "$(touch x)", "`touch x`", "a;b", "a&b", "a|b", "a>b", "{x}", "{wildcards.x}", "%s", "a'b", 'a"b', "a\\b", "é", "١",
    "a" * 101,
)  # fmt: skip

PLACES = {
    "profiles": lambda name: {"profiles": {name: {"tables": {}}}},
    "experiments": lambda name: {"experiments": {name: {"like": "good"}}},
    "experiments.good.job": lambda name: {"experiments": {"good": {"job": name}}},
    "seeds": lambda name: {"seeds": {name: [1]}},
}


def params(more: dict[str, Any]) -> str:
    """A small params.yaml with ``more`` in its sections; JSON is YAML."""
    import json

    good = {"tasks": [{"dataset": "kv", "model": "kan-g5-kv"}], "methods": {"direct": {"train": {"lr": 1, "steps": 1}}}}
    sections: dict[str, Any] = {
        "seeds": {"default": [1]},
        "defaults": {},
        "experiments": {"good": good},
        "profiles": {"quick": {"tables": {"table29": "all"}}},
    }
    for section, entries in more.items():
        for name, entry in entries.items():
            old = sections[section].get(name)
            sections[section][name] = old | entry if isinstance(old, dict) else entry
    return json.dumps(sections)


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table has rows for the experiments."""
    for name in ("good", "Good_name-2"):
        monkeypatch.setitem(FURTHER, name, (name, "rmse"))


@pytest.mark.parametrize("place", PLACES)
def test_a_bad_name_is_refused_where_it_stands(place: str) -> None:
    parse_config(params(PLACES[place]("Good_name-2")), "quick")
    for name in BAD:
        with pytest.raises(ConfigError) as caught:
            parse_config(params(PLACES[place](name)), "quick")
        said = str(caught.value)
        assert said.startswith(f"params.yaml: {place}"), (name, said)
        assert "wanted a name of at most 100 letters" in said and said.isprintable() and len(said) < 500, (name, said)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"experiments": {"sweeps": {"like": "good"}}}, "experiments.sweeps: wanted another name"),
        ({"profiles": {"reference": {"tables": {}}}}, "profiles.reference: wanted another name"),
        ({"experiments": {"Good": {"like": "good"}}}, "experiments.Good: wanted more than case, - and _ to tell"),
        ({"profiles": {"a-b": {"tables": {}}, "a_b": {"tables": {}}}}, "profiles.a_b: wanted more than case"),
        ({"experiments": {"x": {"like": "good", "job": "GOOD"}}}, "experiments.*.job.GOOD: wanted more than"),
    ],
)
def test_a_name_that_would_share_a_folder_or_a_rule_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config(params(more), "quick")


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", [["modelset", "write", "cnn-depth"], ["render", "table06", "--no-plan"], ["keep"]])
def test_no_command_writes_below_a_bad_profile(
    name: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, f"--profile={name}", "--results", str(tmp_path / "deep/results")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_comes_with_config_is_checked() -> None:
    assert workflow_options({}).gpus == 0
    given = workflow_options({"profile": 2024, "params": "my dir/p.yaml", "gpus": 1})
    assert (given.profile, given.params, given.gpus) == ("2024", "my dir/p.yaml", 1)
    for bad, message in (
        ({"profil": "smoke"}, "--config profil: unknown key; did you mean profile?"),
        ({"gpus": "one"}, "--config gpus: wanted a whole number, got 'one'"),
        ({"gpus": -1}, "--config gpus: wanted >= 0, got -1"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            workflow_options(bad)


def test_every_value_in_a_rules_command_is_quoted(repository: Path) -> None:
    """``:q`` stands behind every value; what the Snakefile puts in itself is quoted there or a checked name."""
    for path in (repository / "workflow/rules").glob("*.smk"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not re.search(r"python -m uhn|\{log", line):
                continue
            for value in re.findall(r"\{+([^{}]+)\}+", line):
                assert (
                    value in ("OPTIONS", "PROFILE", "LOGGED", "PIPESTATUS[0]")
                    or value.endswith(":q")
                    or line.strip().startswith('f"{LOGS}')
                ), line
    text = (repository / "workflow/Snakefile").read_text(encoding="utf-8")
    assert 'OPTIONS = shlex.join(["--profile", PROFILE, "--params", GIVEN.params])' in text
    assert shlex.split(shlex.join(["my dir/{p}'s.yaml"])) == ["my dir/{p}'s.yaml"]
