"""A copy of the workflow in a folder of its own, and snakemake in it, without network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COPIED = ("Snakefile", "workflow", "profiles", "params.yaml", "uhn")


@dataclass(frozen=True)
class Workflow:
    """A copy of the repository's workflow."""

    folder: Path
    python: str = sys.executable

    def snakemake(self, *arguments: str, check: bool = True, profile: str = "smoke", **variables: str) -> str:
        """Run snakemake and return what it said; ``check``: it must succeed; ``variables``: of the environment."""
        command = [self.python, "-m", "snakemake", *arguments, "--cores", "1", "--config", f"profile={profile}"]
        return self.call(command, check=check, **variables)

    def call(self, command: list[str], check: bool = True, **variables: str) -> str:
        """Run a command in the folder."""
        # The port of the proxy is closed: a download fails at once, and the shipped subset takes its place.
        closed = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
        clean = {key: value for key, value in os.environ.items() if key not in ("UHN_DATA_MIRROR", "SNAKEMAKE_PROFILE")}
        environment = clean | closed | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"} | variables
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")


def copy_workflow(repository: Path, folder: Path, python: str = sys.executable) -> Workflow:
    """Copy what the workflow needs, and what Python has compiled of it: times are kept, so it still holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (repository / name).is_dir():
            shutil.copytree(repository / name, folder / name)
        else:
            shutil.copy2(repository / name, folder / name)
    return Workflow(folder, python)
