"""`pip install uhn` brings torch, numpy, safetensors and jaxtyping: the library must do with them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

HIDE = """
import sys
from importlib.abc import MetaPathFinder

for name in [*sys.modules]:
    if name.partition(".")[0] in {hidden!r}:
        del sys.modules[name]

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""

USE = """
import torch
import uhn

spec = uhn.mlp((784, 16, 10))
generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=16, frequencies=8)
data = [(torch.rand(4, 784), torch.arange(4))]
uhn.fit(generator, {spec: data}, loss=torch.nn.functional.cross_entropy, steps=2)
assert uhn.to_module(spec, generator(spec))(torch.rand(2, 784)).shape == (2, 10)
described = uhn.describe(torch.nn.LSTM(3, 4))
uhn.UniversalHypernetwork.for_specs([described], hidden=16, frequencies=8)(described)
"""


def optional(repository: Path) -> list[str]:
    """Importable names of what only the extras bring."""
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.match(r"[a-z-]+", line.lower())[0] for line in extras["paper"] + extras["graphs"]}  # type: ignore[index]
    return sorted({name.replace("-", "_").replace("pyyaml", "yaml") for name in names - {"uhn"}})


NEED = """
from pathlib import Path
from uhn.paper.cli import main
from uhn.tasks import load_task

try:
    load_task("kv", root=Path("none"), seed=1)
except ModuleNotFoundError as error:
    print(error, file=sys.stderr)
sys.exit(main(["plan"]))
"""


def test_the_library_does_without_the_extras_and_what_needs_one_says_which(
    repository: Path, forking_python: str
) -> None:
    hidden = optional(repository)
    assert {"pandas", "pydantic", "yaml", "torch_geometric", "scipy", "tqdm"} <= {*hidden}
    command = [forking_python, "-W", "ignore", "-c", HIDE.format(hidden=hidden) + USE + NEED]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    function, command_line = done.stderr.splitlines()
    assert function == "a special function needs scipy, which is not installed: pip install 'uhn[paper]'"
    assert command_line.endswith("is not installed: pip install 'uhn[paper]'") and done.returncode == 1
