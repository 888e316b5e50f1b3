"""What pyproject.toml allows is what was tested, at both ends: constraints-lowest.txt and constraints.txt."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


def pinned(path: Path) -> dict[str, Version]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = (Requirement(line) for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}


def test_every_range_begins_and_ends_where_something_was_tested(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest, tested = (pinned(repository / f"{name}.txt") for name in ("constraints-lowest", "constraints"))
    extras = project["optional-dependencies"]
    known = set()
    tested_extras = [line for extra in ("graphs", "paper", "test", "digits") for line in extras[extra]]
    for line in [*project["dependencies"], *tested_extras]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name == project["name"]:  # an extra that brings another
            continue
        known.add(name)
        assert name in tested and wanted.specifier.contains(tested[name]), f"constraints.txt: {line}"
        begins = [Version(part.version) for part in wanted.specifier if part.operator == ">="]
        if begins:
            assert [lowest.get(name)] == begins, f"constraints-lowest.txt: {line}"
    assert set(lowest) <= known
