"""docs/architecture.md says which package imports which; the imports say the same, and go in no circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "uhn"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a module imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "uhn":
            base = node.module.removeprefix("uhn").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                yield inner if inner in MODULES else base
        elif isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("uhn.") for alias in node.names if alias.name.startswith("uhn."))


def package_of(module: str) -> str:
    """``layers`` of ``layers.conv``; of the paper's half, its packages and ``paper`` for the modules at its top."""
    parts = module.split(".")
    if parts[0] != "paper":
        return parts[0]
    return ".".join(parts[:2]) if (PACKAGE / "/".join(parts[:2])).is_dir() else "paper"


def arrows() -> dict[str, set[str]]:
    """Every package with those that it imports."""
    found: dict[str, set[str]] = {package_of(name): set() for name in MODULES}
    for name, path in MODULES.items():
        found[package_of(name)] |= {package_of(other) for other in imports(path)} - {package_of(name), ""}
    return found


def test_the_page_names_every_package_and_every_arrow() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| [^|?]+ \| ([^|]+) \|$", text, re.M)
    assert {name: set(re.findall(r"`([\w.]+)`", cells)) for name, cells in rows} == arrows()


def test_nothing_outside_the_papers_half_imports_it() -> None:
    above = {name for name, others in arrows().items() if any(other.startswith("paper") for other in others)}
    assert {name for name in above if not name.startswith("paper")} == {"__main__"}


def test_packages_of_the_library_go_in_no_circle() -> None:
    library = {name: others for name, others in arrows().items() if not name.startswith("paper")}
    TopologicalSorter(library).prepare()


def test_modules_go_in_no_circle() -> None:
    TopologicalSorter({name: {*imports(path)} - {name, ""} for name, path in MODULES.items()}).prepare()


def test_every_file_that_the_page_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:uhn|docs|workflow|tests)/[\w./]*)`", text)
    assert named and all((ROOT / name).exists() for name in named)
