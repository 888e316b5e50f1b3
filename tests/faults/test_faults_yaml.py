"""Settings files that are no settings: one line, at once, whatever they hold."""

from __future__ import annotations

import json
import random
import resource
from pathlib import Path

import pytest
import yaml
from farm import seeds
from mutations import change, damage
from small import PARAMS, answers

from uhn.paper.config import ConfigError, load_config, parse_config

BOMB = "\n".join(
    ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 11)]
    + ["seeds: *a10"]
)
MERGED = "\n".join(
    ["a0: &a0 {k: 1}"]
    + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}" for n in range(1, 11)]
    + ["seeds: *a10"]
)
DEEP_ALIASES = "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000))])

REST = "seeds: {}\nexperiments: {}\nprofiles: {}\n"

CASES = {
    "a list as key": ("? [a, b]\n: 1", "line 1: wanted a single value as key, got a sequence"),
    "a mapping as key": ("seeds: {? {a: 1} : 1}", "line 1: wanted a single value as key, got a mapping"),
    "nested lists": ("[" * 3000, "line 1: wanted at most 50,000 values, 32 within one another"),
    "nested mappings": ("{a: " * 3000, "wanted at most 50,000 values, 32 within one another"),
    "nested blocks": ("- " * 3000 + "1", "wanted at most 50,000 values, 32 within one another"),
    "a bomb of aliases": (BOMB, "wanted at most 50,000 values, 32 within one another, with aliases written out"),
    "a bomb of merges": (MERGED, "wanted at most 50,000 values"),
    "a line of aliases": (DEEP_ALIASES, "wanted at most 50,000 values, 32 within one another"),
    "an alias within itself": ("seeds: &a [*a]", "wanted at most 50,000 values"),
    "a number of many digits": (f"seeds: {'9' * 5000}", "wanted YAML, got: "),
    "the same in hexadecimal": (f"seeds: 0x{'f' * 5000}", "seeds: wanted a mapping, got a number of thousands of dig"),
    "no time": ("seeds: !!timestamp x", "wanted YAML, got: "),
    "no date": ("seeds: 2001-99-99", "wanted YAML, got: "),
    "neither true nor false": ("seeds: !!bool x", "wanted YAML, got: "),
    "another language": ("seeds: !!python/object/apply:os.system [true]", "wanted YAML, got: "),
    "two documents": ("---\na: 1\n---\nb: 2", "wanted YAML, got: "),
    "nothing": ("", "wanted a mapping, got NoneType"),
    "a long key": (f"{REST}defaults: {{{'k' * 1000}: 1}}", "defaults.'kkk"),
    "a long value": (f"seeds: {'v' * 100_000}", "seeds: wanted a mapping, got 'vvv"),
    "too many values": ("[" + "1," * 50_000, "wanted at most 50,000 values"),
    "a wide value": (f"seeds: [{'1, ' * 5_000}]", "seeds: wanted a mapping, got [1, 1, 1, 1, ...]"),
    "an escape of a terminal": (f'{REST}defaults: {{"\\e[31mred": 1}}', "defaults.'\\x1b[31mred': unknown key"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_of_another_kind_is_refused_in_one_short_line(case: str) -> None:
    text, message = CASES[case]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "quick")
    said = str(caught.value)
    assert said.startswith("params.yaml: ") and message in said
    assert len(said) < 600 and said.isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * 400_001)
    for path in (Path("/dev/zero"), tmp_path / "large.yaml"):
        with pytest.raises(ConfigError, match="wanted at most 400,000 bytes, got more"):
            load_config(path)


def test_a_key_is_looked_up_among_those_there_are() -> None:
    text = "seeds: {}\ndefaults: {chekpoint_seconds: 1}\nexperiments: {}\nprofiles: {}"
    with pytest.raises(
        ConfigError, match=r"defaults\.chekpoint_seconds: unknown key; did you mean checkpoint_seconds\?"
    ):
        parse_config(text, "quick")


def test_a_line_of_experiments_that_are_like_others_has_an_end(repository: Path) -> None:
    text = (repository / "params.yaml").read_text(encoding="utf-8")
    more = "".join(f"  x{n}: {{like: {f'x{n - 1}' if n else 'mnist-mlp'}}}\n" for n in range(30))
    with pytest.raises(ConfigError, match=r"\.like: wanted a line of at most 20 experiments"):
        parse_config(text.replace("experiments:\n", f"experiments:\n{more}", 1), "quick")


def test_a_changed_settings_file_is_refused_in_one_line_or_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "params.yaml"
    asked = ["plan", "--names", "--params", str(path), "--results", str(tmp_path / "results")]
    path.write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    assert answers(asked, capsys)[0] == 0
    codes = []
    for seed in seeds(120):
        rng = random.Random(seed)
        tree = change(PARAMS, rng) if seed % 2 else PARAMS
        text = json.dumps(tree) if rng.random() < 0.5 else yaml.dump(tree, allow_unicode=rng.random() < 0.5)
        content = text.encode("utf-8", "surrogatepass")
        path.write_bytes(content if seed % 2 else damage(content, rng))
        codes.append(answers(asked, capsys)[0])
    assert codes.count(2) > len(codes) / 4 and 1 not in codes
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]
